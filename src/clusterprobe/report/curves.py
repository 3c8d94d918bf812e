"""Figures in which one number is varied and all else stays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from clusterprobe.report.names import method_title, metric_title
from clusterprobe.report.panels import drawable, heading, key, legend_below, panels
from clusterprobe.report.selection import at_home, default_variant, sweep
from clusterprobe.report.style import COLUMN_WIDTH, PAGE_WIDTH, Look, looks, percent_axis
from clusterprobe.report.summary import cells

SWEPT = ("acc", "ari")
"""Metrics that are drawn against what varies."""


def pca_dims(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI against the number of leading principal components; "all" stands at the right."""
    rows = sweep(at_home(results), "dims")
    rows = drawable("pca-dims", rows[rows["metric"].isin(SWEPT)], "runs that differ in PCA dimensions only")
    table = cells(rows)
    widest = int(table["dims"].max())
    positions = table["dims"].astype("float64").fillna(2.0 * widest)
    ticks = sorted({int(value) for value in table["dims"].dropna()})
    labels = [str(tick) for tick in ticks]
    if table["dims"].isna().any():
        ticks, labels = [*ticks, 2 * widest], [*labels, "all"]
    table = table.assign(at=positions, line=_line_names(table, "dims"))
    return draw_sweep(table, "principal components", ticks, labels)


def k_sweep(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI against the number of clusters."""
    rows = sweep(at_home(results), "k")
    rows = drawable("k-sweep", rows[rows["metric"].isin(SWEPT)], "runs that differ in clusters only")
    table = cells(rows)
    ticks = sorted({int(value) for value in table["k"]})
    table = table.assign(at=table["k"].astype("float64"), line=_line_names(table, "k"))
    return draw_sweep(table, "clusters", ticks, [str(tick) for tick in ticks])


def acc_by_epoch(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI against the passes of k-means after which they were worked out (metrics acc@n, ari@n).

    The words `epoch` and `pass` mean the same: once over all images.
    """
    rows = default_variant(at_home(results))
    parts = rows["metric"].str.extract(r"^(acc|ari)@(\d+)$")
    rows = rows.assign(metric=parts[0], at=parts[1].astype("float64"))[parts[0].notna()]
    rows = drawable("acc-by-epoch", rows, "runs with the option `trace`")
    points = [cells(part).assign(at=at) for at, part in rows.groupby("at")]
    table = pd.concat(points, ignore_index=True)
    ticks = sorted({int(at) for at in table["at"]})
    table = table.assign(line=_line_names(table))
    return draw_sweep(table, "passes over the images", ticks, [str(tick) for tick in ticks])


def neighbour_purity(results: pd.DataFrame) -> Figure:
    """Draw the purity of the k nearest neighbours against k, one line per encoder."""
    rows = results[results["metric"].str.startswith("neighbour_purity@")]
    rows = drawable("neighbour-purity", rows, "neighbour purity")
    table = rows.assign(at=rows["metric"].str.split("@").str[1].astype("int64"))
    table = (
        table.groupby(["dataset", "encoder", "at"], sort=False)["value"].agg(["mean", "std"]).reset_index()
    )
    datasets = list(table["dataset"].unique())
    look = looks(table["encoder"])
    width = COLUMN_WIDTH if len(datasets) == 1 else PAGE_WIDTH
    figure, axes = panels(1, len(datasets), width, 2.2 + 0.09 * len(look))
    ticks = sorted(table["at"].unique())
    for column, dataset in enumerate(datasets):
        here = table[table["dataset"] == dataset]
        for encoder, line in here.groupby("encoder", sort=False):
            draw_line(
                axes[0, column], line.rename(columns={"mean": "y", "std": "y_std"}), "y", look[str(encoder)]
            )
        heading(axes[0, column], str(dataset))
        set_axis(axes[0, column], "neighbours", ticks, [str(tick) for tick in ticks])
        axes[0, column].set_ylabel("same label (%)" if column == 0 else "")
    legend_below(figure, [key(style, name, line=True) for name, style in look.items()], width)
    return figure


def draw_sweep(table: pd.DataFrame, label: str, ticks: Sequence[int], labels: Sequence[str]) -> Figure:
    """Draw ACC and ARI (columns of panels) of data sets (rows of panels) against the column `at`.

    `table` is one of `summary.cells` with the columns `at` and `line`, the name of the line of a point.
    """
    metrics = [metric for metric in SWEPT if metric in table and table[metric].notna().any()]
    datasets = list(table["dataset"].unique())
    look = looks(table["line"])
    width = PAGE_WIDTH if len(metrics) > 1 else COLUMN_WIDTH
    figure, axes = panels(len(datasets), len(metrics), width, 0.35 + 1.9 * len(datasets) + 0.05 * len(look))
    for row, dataset in enumerate(datasets):
        for column, metric in enumerate(metrics):
            here = table[(table["dataset"] == dataset) & table[metric].notna()]
            for name, line in here.groupby("line", sort=False):
                draw_line(axes[row, column], line, metric, look[str(name)])
            set_axis(axes[row, column], label, ticks, labels)
            axes[row, column].set_ylabel(f"{metric_title(metric)} (%)")
            heading(axes[row, column], str(dataset) if column == 0 else "")
    legend_below(figure, [key(style, name, line=True) for name, style in look.items()], width)
    return figure


def _line_names(table: pd.DataFrame, swept: str | None = None) -> pd.Series[str]:
    """Return the name of the line of each cell: its encoder, and what else differs between lines."""
    names = table["encoder"].astype("string")
    if table["method"].nunique() > 1:
        names = names + ", " + table["method"].astype(str).map(method_title)
    for column in ("reducer", "protocol", "head"):
        if table.groupby(["encoder", "method"])[column].nunique(dropna=False).max() > 1:
            names = names + ", " + table[column].astype("string").fillna("no " + column)
    return with_numbers(names, table, swept)


def with_numbers(names: pd.Series[str], table: pd.DataFrame, swept: str | None) -> pd.Series[str]:
    """Return names of lines with the numbers of components and clusters, where others than `swept` differ."""
    for column, words in {"dims": "components", "k": "clusters"}.items():
        lines = table.groupby([table["dataset"], names])[column]
        if column != swept and lines.nunique(dropna=False).max() > 1:
            names = names + ", " + table[column].astype("string").fillna("all") + " " + words
    return names


def draw_line(axes: Axes, line: pd.DataFrame, metric: str, look: Look) -> None:
    """Draw the column `metric` against `at`, with a band of one standard deviation (`metric`_std)."""
    line = line.sort_values("at")
    at, mean = line["at"].to_numpy(dtype=float), line[metric].to_numpy(dtype=float)
    spread = np.nan_to_num(line[f"{metric}_std"].to_numpy(dtype=float))
    axes.plot(at, mean, color=look.colour, marker=look.marker, linestyle=look.line)
    axes.fill_between(at, mean - spread, mean + spread, color=look.colour, alpha=0.15, lw=0)


def set_axis(axes: Axes, label: str, ticks: Sequence[int], labels: Sequence[str]) -> None:
    """Set label and ticks of the axis at the bottom; fractions at the side are printed as percent."""
    if min(ticks) > 0 and max(ticks) / min(ticks) >= 8:
        axes.set_xscale("log", base=2)
    axes.set_xticks(ticks, labels)
    axes.set_xticks([], minor=True)
    axes.set_xlabel(label)
    percent_axis(axes, "y")
