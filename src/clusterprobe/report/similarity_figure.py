"""Histograms of similarities between images, within classes and across them."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import heading, key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, INK, PAGE_WIDTH, looks, percent_axis


def similarities(histograms: pd.DataFrame) -> Figure:
    """Draw the share of pairs of images by their cosine, one panel per data set, one colour per encoder.

    `histograms` has the columns dataset, encoder, pairs, low (edge of a bin) and share. Solid: pairs of one
    class; dashed: of different classes.
    """
    if histograms.empty:
        raise UserError(
            "figure 'similarities' has nothing to draw: no k-means run is on a contrastive encoder"
        )
    look = looks(histograms["encoder"].astype(str))
    datasets = list(histograms["dataset"].unique())
    kinds = list(histograms["pairs"].unique())
    width = COLUMN_WIDTH if len(datasets) == 1 else PAGE_WIDTH
    figure, axes = panels(1, len(datasets), width, 2.3 + 0.09 * len(look))
    for axis, dataset in zip(axes.flat, datasets, strict=True):
        part = histograms[histograms["dataset"] == dataset]
        for (encoder, pairs), bins in part.groupby(["encoder", "pairs"], sort=False):
            low = bins["low"].to_numpy(dtype=float)
            middles, line = low + (low[1] - low[0]) / 2, "-" if pairs == kinds[0] else "--"
            axis.plot(middles, bins["share"], color=look[str(encoder)].colour, linestyle=line, lw=1.1)
        heading(axis, str(dataset))
        axis.set_xlabel("cosine of two images")
        axis.xaxis.set_major_locator(MaxNLocator(4))
        percent_axis(axis, "y")
    axes[0, 0].set_ylabel("share of the pairs (%)")
    lines = [Line2D([], [], color=INK, linestyle="-", label=kinds[0])]
    lines += [Line2D([], [], color=INK, linestyle="--", label=kind) for kind in kinds[1:]]
    legend_below(figure, [*(key(style, name, line=True) for name, style in look.items()), *lines], width)
    return figure
