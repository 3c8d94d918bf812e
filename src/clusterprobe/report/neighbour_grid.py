"""Figures of images and their neighbours: of one encoder (figure 2 of SCAN, arXiv 2005.12320), of several."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import panels
from clusterprobe.report.style import FALSE, INK, PAGE_WIDTH

_FRAME = 2.5  # points
_NAME = 2.2  # width of the column for names, in images
_CHARACTERS = 14
_PAGE_HEIGHT = 9.0  # inches


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
        picture(axes[anchors.index(entry["anchor"]), rank + (rank > 0)], entry)
    if title:
        figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure


def retrieval_grid(pictures: pd.DataFrame) -> Figure:
    """Draw rows for each anchor, one per encoder: the anchor once, the name, neighbours, framed if false.

    `pictures` has the columns of `neighbour_grid` and encoder (readable name), and the same `attrs`.
    """
    if pictures.empty:
        raise UserError("figure 'retrieval' has nothing to draw: no k-means run is on a contrastive encoder")
    anchors, encoders = list(pictures["anchor"].unique()), list(pictures["encoder"].unique())
    lines, columns = len(anchors) * len(encoders), int(pictures["rank"].max()) + 2
    side = min(PAGE_WIDTH / (columns + _NAME - 1), _PAGE_HEIGHT / lines, 0.75)
    ratios = [1, _NAME, *[1] * (columns - 2)]
    figure, axes = panels(lines, columns, side * sum(ratios), side * lines + 0.25, ratios)
    for axis in axes.flat:
        axis.axis("off")
    for entry in pictures.to_dict("records"):
        rank, position = entry["rank"], encoders.index(entry["encoder"])
        row = axes[anchors.index(entry["anchor"]) * len(encoders) + position]
        if rank or position == 0:
            picture(row[rank + (rank > 0)], entry)
        if rank == 1:
            words = fill(entry["encoder"], _CHARACTERS)
            row[1].text(1, 0.5, words, ha="right", va="center", size=6.5, transform=row[1].transAxes)
    title = str(pictures.attrs.get("title", ""))
    figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure


def picture(axis: Axes, entry: Mapping[Hashable, Any]) -> None:
    """Draw the image of a row of such a frame; one that is false and no anchor gets a frame."""
    axis.set_aspect("equal")
    axis.imshow(entry["image"], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if entry["rank"] and entry["true"] is False:
        whole = Rectangle((0, 0), 1, 1, fill=False, edgecolor=FALSE, linewidth=_FRAME, clip_on=False)
        axis.add_patch(whole).set_transform(axis.transAxes)
