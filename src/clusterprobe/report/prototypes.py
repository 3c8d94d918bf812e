"""Figure of one image per cluster."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import panels
from clusterprobe.report.style import GREY, INK, PAGE_WIDTH

_PER_ROW = 10


def prototypes(clusters: pd.DataFrame) -> Figure:
    """Draw the prototype of every cluster, in the order of the rows, under its number and its class.

    `clusters` has the columns cluster, image (uint8 [H, W] or [H, W, 3]; None: the cluster is empty, and its
    place stays empty) and, if known, name (the class that the cluster is matched to).
    `clusters.attrs["title"]`, if it is there, is printed above.
    """
    if clusters.empty or not {"cluster", "image"} <= set(clusters.columns):
        raise UserError("figure 'prototypes' has nothing to draw: there are no clusters with an image")
    columns = min(_PER_ROW, len(clusters))
    lines = math.ceil(len(clusters) / columns)
    width = max(PAGE_WIDTH * columns / _PER_ROW, 1.5)
    words = 0.27 if "name" in clusters else 0.17
    title = str(clusters.attrs.get("title", ""))
    figure, axes = panels(
        lines, columns, width, lines * (width / columns + words) + (0.25 if title else 0.05)
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, row in zip(axes.flat, clusters.to_dict("records"), strict=False):
        name = row.get("name")
        _draw_one(axis, row["image"], str(row["cluster"]), "" if name is None else str(name))
    if title:
        figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure


def _draw_one(axis: Axes, image: object, cluster: str, name: str) -> None:
    axis.set_title(f"{cluster}\n{_short(name)}".rstrip(), size=6.5, color=INK, pad=2)
    axis.set_aspect("equal")
    if image is None:
        axis.text(0.5, 0.5, "empty", ha="center", va="center", size=6.5, color=GREY, transform=axis.transAxes)
        return
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3):
        raise ValueError(f"an image is uint8 [H, W] or [H, W, 3], not {pixels.dtype} {pixels.shape}")
    axis.imshow(pixels, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _short(name: str) -> str:
    return name if len(name) <= 13 else f"{name[:12]}…"
