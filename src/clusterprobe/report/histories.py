"""Figure of how trainings went: what objectives log, epoch by epoch."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import heading, key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, PAGE_WIDTH, Look, looks

COLUMNS = ("encoder", "encoder_seed", "epoch", "name", "value")
_HIDDEN = frozenset({"learning_rate", "chosen_head"})  # given by the configuration; a name, no quantity
_PER_ROW = 3


def training_curves(histories: pd.DataFrame) -> Figure:
    """Draw every logged value against the epoch: one line per encoder, mean and spread over its seeds.

    `histories` has the columns encoder, encoder_seed, epoch, name, value. Names that end in a head
    ("entropy/3") are averaged over heads first. A column `objective`, if there is one, gives every objective
    panels of its own, as a loss of one cannot be compared with that of another.
    """
    lacking = [name for name in COLUMNS if name not in histories.columns]
    if lacking or histories.empty:
        problem = f"the histories lack {lacking}" if lacking else "no training left a history"
        raise UserError(f"figure 'training-curves' has nothing to draw: {problem}")
    rows = _per_seed(histories)
    if rows.empty:
        raise UserError("figure 'training-curves' has nothing to draw: no finite value was logged")
    shown = list(rows[["objective", "name"]].drop_duplicates().itertuples(index=False, name=None))
    look = looks(rows["encoder"])
    columns = min(_PER_ROW, len(shown))
    width = COLUMN_WIDTH if columns == 1 else PAGE_WIDTH
    lines = math.ceil(len(shown) / columns)
    figure, axes = panels(lines, columns, width, 0.4 + 1.6 * lines + 0.05 * len(look))
    for axis in axes.flat[len(shown) :]:
        axis.set_visible(False)
    for axis, (objective, name) in zip(axes.flat, shown, strict=False):
        part = rows[(rows["objective"] == objective) & (rows["name"] == name)]
        _draw_lines(axis, part, look)
        words = str(name).replace("_", " ")
        heading(axis, f"{objective}: {words}" if objective else words)
        axis.set_xlabel("epoch")
    legend_below(figure, [key(style, name, line=True) for name, style in look.items()], width)
    return figure


def _per_seed(histories: pd.DataFrame) -> pd.DataFrame:
    """Return one finite value per objective, name, encoder, seed and epoch, averaged over heads."""
    rows = histories[np.isfinite(histories["value"].to_numpy(dtype=float))]
    rows = rows.assign(
        name=rows["name"].astype(str).str.split("/").str[0], encoder=rows["encoder"].astype(str)
    )
    rows = rows[~rows["name"].isin(_HIDDEN)]
    if "objective" not in rows:
        rows = rows.assign(objective="")
    keys = ["objective", "name", "encoder", "encoder_seed", "epoch"]
    means = rows.groupby(keys, dropna=False, sort=False)["value"].mean()
    return pd.DataFrame(means.reset_index())


def _draw_lines(axis: Axes, rows: pd.DataFrame, look: dict[str, Look]) -> None:
    for encoder, part in rows.groupby("encoder", sort=False):
        curve = part.groupby("epoch")["value"].agg(["mean", "std"])
        epochs = curve.index.to_numpy(dtype=float)
        mean, spread = curve["mean"].to_numpy(dtype=float), np.nan_to_num(curve["std"].to_numpy(dtype=float))
        style = look[str(encoder)]
        axis.plot(
            epochs, mean, color=style.colour, linestyle=style.line, marker=style.marker, ms=3, markevery=0.2
        )
        axis.fill_between(epochs, mean - spread, mean + spread, color=style.colour, alpha=0.15, lw=0)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.ticklabel_format(axis="y", scilimits=(-3, 4))
