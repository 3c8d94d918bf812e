"""Figures of labels that a training found: classes within clusters, agreement over time, and what it sees."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import heading, key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, INK, PAGE_WIDTH, looks, percent_axis

_BINS = 24
_PER_ROW = 16


def label_entropy(clusters: pd.DataFrame) -> Figure:
    """Draw how many clusters have which entropy of classes, one line per encoder, dotted at the mean.

    `clusters` has a row per cluster and seed: encoder, entropy (nats). More columns are ignored.
    """
    if clusters.empty:
        raise UserError("figure 'sela-label-entropy' has nothing to draw: no run by 'sela' has clusters")
    look = looks(clusters["encoder"].astype(str))
    figure, axes = panels(1, 1, COLUMN_WIDTH, 2.2 + 0.09 * len(look))
    axis = axes[0, 0]
    edges = np.linspace(0, max(float(clusters["entropy"].max()), 1e-3), _BINS + 1)
    for encoder, part in clusters.groupby("encoder", sort=False):
        values = part["entropy"].to_numpy(dtype=float)
        shares, _ = np.histogram(values, edges)
        style = look[str(encoder)]
        axis.stairs(shares / len(values), edges, color=style.colour, linestyle=style.line, lw=1.2)
        axis.axvline(values.mean(), color=style.colour, linestyle=":", lw=1)
    axis.set_xlabel("entropy of the classes in a cluster (nats)")
    axis.set_ylabel("share of the clusters (%)")
    percent_axis(axis, "y")
    handles = [key(style, name, line=True) for name, style in look.items()]
    legend_below(figure, [*handles], COLUMN_WIDTH)
    return figure


def label_agreement(relabellings: pd.DataFrame) -> Figure:
    """Draw NMI against the number of the relabelling: with the classes, and with the labels before.

    `relabellings` has the columns encoder, encoder_seed, relabelling, against and value: mean and spread over
    seeds.
    """
    if relabellings.empty:
        raise UserError("figure 'sela-agreement' has nothing to draw: no training by 'sela' relabelled")
    look = looks(relabellings["encoder"].astype(str))
    shown = list(relabellings["against"].unique())
    width = COLUMN_WIDTH if len(shown) == 1 else PAGE_WIDTH
    figure, axes = panels(1, len(shown), width, 2.2 + 0.09 * len(look))
    for axis, against in zip(axes.flat, shown, strict=True):
        part = relabellings[relabellings["against"] == against]
        for encoder, lines in part.groupby("encoder", sort=False):
            curve = lines.groupby("relabelling")["value"].agg(["mean", "std"])
            at, mean = curve.index.to_numpy(dtype=float), curve["mean"].to_numpy(dtype=float)
            spread = np.nan_to_num(curve["std"].to_numpy(dtype=float))
            style = look[str(encoder)]
            axis.plot(at, mean, color=style.colour, linestyle=style.line)
            axis.fill_between(at, mean - spread, mean + spread, color=style.colour, alpha=0.15, lw=0)
        heading(axis, f"with the {against}")
        axis.set_xlabel("relabelling")
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        percent_axis(axis, "y")
    axes[0, 0].set_ylabel("NMI of the labels (%)")
    handles = [key(style, name, line=True) for name, style in look.items()]
    legend_below(figure, [*handles], width)
    return figure


def filter_grid(filters: pd.DataFrame) -> Figure:
    """Draw filters as pictures, uint8 [H, W] or [H, W, 3] in the column `image`, in the order of the rows.

    `filters.attrs["title"]`, if it is there, is printed above.
    """
    if filters.empty:
        raise UserError("figure 'first-filters' has nothing to draw: there are no filters")
    columns = min(_PER_ROW, len(filters))
    lines = math.ceil(len(filters) / columns)
    side = PAGE_WIDTH / _PER_ROW
    title = str(filters.attrs.get("title", ""))
    figure, axes = panels(lines, columns, max(side * columns, 1.5), side * lines + (0.25 if title else 0.05))
    for axis in axes.flat:
        axis.axis("off")
    for axis, image in zip(axes.flat, filters["image"], strict=False):
        axis.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    if title:
        figure.suptitle(title, size=8, x=0.01, ha="left", color=INK)
    return figure
