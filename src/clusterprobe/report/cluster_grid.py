"""Figure of clusters with some of their images (appendix of SeLa, arXiv 1911.05371)."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import panels
from clusterprobe.report.style import INK, PAGE_WIDTH


def cluster_grid(pictures: pd.DataFrame) -> Figure:
    """Draw a row for each cluster, in the order of the rows: its number, the entropy of its classes, images.

    `pictures` has the columns cluster, rank (from 0), image (uint8 [H, W] or [H, W, 3]) and entropy (nats;
    NaN: not known). `pictures.attrs["title"]`, if it is there, is printed above.
    """
    if pictures.empty:
        raise UserError("a figure of clusters has nothing to draw: there are no clusters")
    clusters = list(pictures["cluster"].unique())
    columns = int(pictures["rank"].max()) + 2  # the first is for words
    side = min(PAGE_WIDTH / columns, 0.75)
    title = str(pictures.attrs.get("title", ""))
    height = side * len(clusters) + (0.25 if title else 0.05)
    figure, axes = panels(len(clusters), columns, side * columns, height)
    for axis in axes.flat:
        axis.axis("off")
    for entry in pictures.to_dict("records"):
        row = axes[clusters.index(entry["cluster"])]
        if entry["rank"] == 0:
            words = f"{entry['cluster']}" + (
                "" if math.isnan(entry["entropy"]) else f"\n{entry['entropy']:.2f}"
            )
            row[0].text(0.5, 0.5, words, ha="center", va="center", size=6.5, transform=row[0].transAxes)
        axis = row[entry["rank"] + 1]
        axis.set_aspect("equal")
        axis.imshow(entry["image"], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if title:
        figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure
