"""Figure of images and their mined neighbours (figure 2 of SCAN, arXiv 2005.12320)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import panels
from clusterprobe.report.style import FALSE, INK, PAGE_WIDTH

_FRAME = 2.5  # points


def neighbour_grid(pictures: pd.DataFrame) -> Figure:
    """Draw a row for each anchor: the anchor, a gap, its neighbours; a neighbour of another class is framed.

    `pictures` has the columns anchor, rank (0: the anchor), image (uint8 [H, W] or [H, W, 3]) and true
    (whether the neighbour has the class of the anchor; None: not known). `pictures.attrs["title"]`, if it is
    there, is printed above.
    """
    if pictures.empty:
        raise UserError("figure 'neighbours' has nothing to draw: there are no neighbours")
    anchors = list(pictures["anchor"].unique())
    columns = int(pictures["rank"].max()) + 2
    side = min(PAGE_WIDTH / columns, 0.75)
    title = str(pictures.attrs.get("title", ""))
    figure, axes = panels(
        len(anchors), columns, side * columns, side * len(anchors) + (0.25 if title else 0.05)
    )
    for axis in axes.flat:
        axis.axis("off")
    for entry in pictures.to_dict("records"):
        rank = entry["rank"]
        axis = axes[anchors.index(entry["anchor"]), rank + (rank > 0)]
        axis.set_aspect("equal")
        axis.imshow(entry["image"], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        if rank and entry["true"] is False:
            whole = Rectangle((0, 0), 1, 1, fill=False, edgecolor=FALSE, linewidth=_FRAME, clip_on=False)
            axis.add_patch(whole).set_transform(axis.transAxes)
    if title:
        figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure
