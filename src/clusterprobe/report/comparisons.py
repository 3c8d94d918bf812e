"""Figures that compare encoders and methods at one number of clusters."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clusterprobe.report.names import method_title
from clusterprobe.report.panels import drawable, heading, key, legend_below, legend_columns, panels
from clusterprobe.report.selection import at_home, default_variant, telling
from clusterprobe.report.style import COLUMN_WIDTH, GREY, PAGE_WIDTH, Look, looks, percent_axis
from clusterprobe.report.summary import cells

_GAP = 0.7  # lines between two encoders


def acc_by_method(results: pd.DataFrame) -> Figure:
    """Draw ACC of every encoder (rows) and method (colours): seeds, mean and spread, chance."""
    rows = _named(default_variant(at_home(results)))
    rows = drawable("acc-by-method", rows[rows["metric"].isin(["acc", "chance_acc"])], "ACC of default runs")
    drawable("acc-by-method", rows[rows["metric"] == "acc"], "ACC of default runs")
    datasets = list(rows["dataset"].unique())
    methods = list(rows["method"].unique())
    lines = _lines(rows)
    width = COLUMN_WIDTH if len(datasets) == 1 else PAGE_WIDTH
    height = 0.9 + 0.17 * (max(lines.values()) + 1) + 0.1 * len(methods)
    figure, axes = panels(1, len(datasets), width, height)
    look = looks(str(method) for method in methods)
    for column, dataset in enumerate(datasets):
        here = rows[rows["dataset"] == dataset]
        _draw_encoders(axes[0, column], here, lines, look)
        heading(axes[0, column], f"{dataset}, {here['split'].iloc[0]} split")
        axes[0, column].tick_params(labelleft=column == 0)
    handles: list[Artist] = [key(look[method], method) for method in methods]
    if (rows["metric"] == "chance_acc").any():
        handles.append(Line2D([], [], color=GREY, marker="|", linestyle="none", label="chance"))
    legend_below(figure, handles, width)
    return figure


def _lines(rows: pd.DataFrame) -> dict[tuple[str, str], float]:
    """Return where each encoder and method is drawn: one line each, and a gap between encoders."""
    found: dict[tuple[str, str], float] = {}
    place = 0.0
    for encoder, part in rows.groupby("encoder", sort=False):
        for method in part["method"].unique():
            found[str(encoder), str(method)] = place
            place += 1
        place += _GAP
    return found


def _draw_encoders(
    axes: Axes, rows: pd.DataFrame, lines: dict[tuple[str, str], float], look: dict[str, Look]
) -> None:
    for (encoder, method), part in rows.groupby(["encoder", "method"], sort=False):
        y = lines[str(encoder), str(method)]
        acc = part.loc[part["metric"] == "acc", "value"].to_numpy(dtype=float)
        chance = part.loc[part["metric"] == "chance_acc", "value"].to_numpy(dtype=float)
        style = look[str(method)]
        seeds = np.full(len(acc), y + 0.38)
        axes.plot(acc, seeds, ".", color=style.colour, alpha=0.6, ms=3.5, mew=0, clip_on=False)
        spread = acc.std(ddof=1) if len(acc) > 1 else 0.0
        axes.errorbar(
            acc.mean(), y, xerr=spread, color=style.colour, marker=style.marker, ms=4.5, lw=1, clip_on=False
        )
        if len(chance):
            axes.plot(chance.mean(), y, "|", color=GREY, ms=5)
    encoders = list(dict.fromkeys(encoder for encoder, _ in lines))
    centres = [np.mean([y for (name, _), y in lines.items() if name == encoder]) for encoder in encoders]
    axes.set_yticks(centres, encoders)
    axes.set_ylim(max(lines.values()) + 0.8, -0.8)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.set_xlim(left=0, right=1 if rows["value"].max() > 0.9 else None)
    axes.set_xlabel("ACC (%)")
    percent_axis(axes, "x")


def ari_against_acc(results: pd.DataFrame) -> Figure:
    """Draw ARI against ACC: one mark per encoder (colour) and method (shape)."""
    rows = _named(default_variant(at_home(results)))
    rows = drawable("ari-against-acc", rows[rows["metric"].isin(["acc", "ari"])], "ACC and ARI")
    table = cells(rows).reindex(columns=["dataset", "encoder", "method", "acc", "ari", "acc_std", "ari_std"])
    table = table.dropna(subset=["acc", "ari"])
    drawable("ari-against-acc", rows if len(table) else rows.head(0), "run with both ACC and ARI")
    datasets = list(table["dataset"].unique())
    width = COLUMN_WIDTH if len(datasets) == 1 else PAGE_WIDTH
    colours, shapes = looks(table["encoder"]), looks(table["method"])
    labels = [*colours, *shapes]
    legend_rows = math.ceil(len(labels) / legend_columns(labels, width))
    figure, axes = panels(1, len(datasets), width, 2.3 + 0.16 * legend_rows)
    for column, dataset in enumerate(datasets):
        axis = axes[0, column]
        for row in table[table["dataset"] == dataset].to_dict("records"):
            axis.errorbar(
                row["acc"],
                row["ari"],
                xerr=_finite(row["acc_std"]),
                yerr=_finite(row["ari_std"]),
                color=colours[row["encoder"]].colour,
                marker=shapes[row["method"]].marker,
                lw=0.8,
                ms=5,
            )
        heading(axis, dataset)
        axis.set_xlabel("ACC (%)")
        axis.set_ylabel("ARI (%)" if column == 0 else "")
        percent_axis(axis, "x")
        percent_axis(axis, "y")
    handles: list[Artist] = [
        Line2D([], [], color=look.colour, lw=3, label=encoder) for encoder, look in colours.items()
    ]
    handles += [key(look, method, colour=GREY) for method, look in shapes.items()]
    legend_below(figure, handles, width)
    return figure


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with methods called as in print, and by what else tells them apart."""
    names = rows["method"].map(method_title)
    for column in telling(rows, ["fit_dataset", "encoder", "method"]):
        names = names + f", {column} " + rows[column].astype("string").fillna("all")
    return rows.assign(method=names.astype("string"))


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else 0.0
