"""Figures of the same images over the epochs of trainings: maps, and how well neighbours tell the class."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError
from clusterprobe.report.curves import draw_line, set_axis
from clusterprobe.report.panels import heading, key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, GREY, PAGE_WIDTH, Look, looks

_POINT = 2.2  # points
_MORE_COLOURS = ("#8b5a2b", "#7a2f9e", "#9aa300")


def snapshots(maps: pd.DataFrame) -> Figure:
    """Draw a row for each encoder and a column for each epoch, an image as a mark of its class.

    `maps` has the columns encoder, epoch, x, y and name (class; None: a grey dot).
    """
    if maps.empty:
        raise UserError("figure 'snapshots' has nothing to draw: no trained encoder keeps `snapshots`")
    encoders, epochs = list(maps["encoder"].unique()), sorted(maps["epoch"].unique())
    look = _class_looks(sorted(maps["name"].dropna().unique()))
    side = min(PAGE_WIDTH / max(len(epochs), 2), 1.8)
    width = side * len(epochs)
    figure, axes = panels(len(encoders), len(epochs), width, side * len(encoders) + 0.5)
    for (encoder, epoch), points in maps.groupby(["encoder", "epoch"], sort=False):
        axis = axes[encoders.index(encoder), epochs.index(epoch)]
        nameless = points[points["name"].isna()]
        axis.plot(nameless["x"], nameless["y"], ".", color=GREY, markersize=_POINT, alpha=0.4)
        for name, style in look.items():
            of_class = points[points["name"] == name]
            axis.plot(
                of_class["x"], of_class["y"], style.marker, color=style.colour, markersize=_POINT, mew=0
            )
        axis.set(xticks=[], yticks=[], xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), aspect="equal")
    for column, epoch in enumerate(epochs):
        heading(axes[0, column], "before training" if epoch == 0 else f"epoch {epoch}")
    for row, encoder in enumerate(encoders):
        axes[row, 0].set_ylabel(encoder)
    legend_below(figure, [key(style, name) for name, style in look.items()], width)
    return figure


def knn_epochs(scores: pd.DataFrame) -> Figure:
    """Draw kNN accuracy against the epochs that lay behind, a panel for each data set, a line per encoder.

    `scores` has the columns dataset, encoder, encoder_seed, epoch and value.
    """
    if scores.empty:
        raise UserError("figure 'knn-epochs' has nothing to draw: no trained encoder keeps `snapshots`")
    look, datasets = looks(scores["encoder"]), list(scores["dataset"].unique())
    width = COLUMN_WIDTH if len(datasets) == 1 else PAGE_WIDTH
    figure, axes = panels(1, len(datasets), width, 2.2 + 0.09 * len(look))
    for axis, dataset in zip(axes.flat, datasets, strict=True):
        here = scores[scores["dataset"] == dataset]
        for encoder, part in here.groupby("encoder", sort=False):
            line = part.groupby("epoch")["value"].agg(y="mean", y_std="std").rename_axis("at").reset_index()
            draw_line(axis, line, "y", look[str(encoder)])
        ticks = sorted(here["epoch"].unique())
        set_axis(axis, "epochs", ticks, [str(tick) for tick in ticks])
        heading(axis, str(dataset))
    axes[0, 0].set_ylabel("kNN (%)")
    legend_below(figure, [key(style, name, line=True) for name, style in look.items()], width)
    return figure


def _class_looks(names: list[str]) -> dict[str, Look]:
    """Return a look for each class, no two of one colour while there are more: the marks are small."""
    found = looks(names)
    taken: set[str] = set()
    more = iter(_MORE_COLOURS)
    for name, style in found.items():
        colour = next(more, style.colour) if style.colour in taken else style.colour
        taken.add(colour)
        found[name] = replace(style, colour=colour)
    return found
