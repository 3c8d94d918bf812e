"""Figure 8 of CLD: how a criterion that needs no labels goes with an option, beside accuracies.

Wang et al., arXiv 2008.03813. The paper stretches every curve to its own range and prints no points.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError
from clusterprobe.report.ablations import place, tick, variant_point
from clusterprobe.report.curves import draw_line, set_axis
from clusterprobe.report.names import metric_title
from clusterprobe.report.panels import drawable, heading, key, legend_below, panels
from clusterprobe.report.selection import DEFAULT
from clusterprobe.report.style import COLUMN_WIDTH, PAGE_WIDTH, looks

_CRITERION = ("view_nmi", "view_retrieval", "view_agreement")
_ACCURACY = ("knn_top1", "linear_top1")
_COLUMNS = ((_CRITERION, "agreement (%)"), (_ACCURACY, "accuracy (%)"))
_PANEL = ["fit_dataset", "encoder", "k"]
_NETWORK = ["fit_dataset", "encoder", "encoder_id"]


def cld_weight(results: pd.DataFrame) -> Figure:
    """Draw NMI x R of two views, its factors, and probes against the weight of the group loss of CLD.

    The points are k-means of the variants `weight-W` and `default`, which has
    `results.attrs["default_weight"]`; without it the default stands at the right.
    """
    return _draw(results, "cld-weight", "weight", "weight of the group loss")


def cld_temperature(results: pd.DataFrame) -> Figure:
    """Draw NMI x R of two views, its factors, and probes against the temperature of the group loss of CLD.

    As `cld_weight`, with the variants `temperature-T` and `results.attrs["default_temperature"]`.
    """
    return _draw(results, "cld-temperature", "temperature", "temperature of the group loss")


def _draw(results: pd.DataFrame, name: str, word: str, label: str) -> Figure:
    default = results.attrs.get(f"default_{word}")
    rows = _varied(_placed(results, word, default))
    rows = drawable(name, rows, f"criteria of two views of k-means of variants {word}-…")
    table = _several_points(pd.concat([_means(rows), _means(_probed(results, rows))]))
    if table.empty:
        raise UserError(
            f"figure {name!r} has nothing to draw: the results hold one value of {word}; leave it out"
        )
    values = sorted(table["point"].unique(), key=place)
    table = table.assign(at=[float(values.index(point)) for point in table["point"]])
    return _panels(table, label, [tick(value, default) for value in values])


def _placed(results: pd.DataFrame, word: str, default: Any) -> pd.DataFrame:
    """Return the criteria of k-means of every variant that has a value, in the column `point`."""
    rows = results[(results["method"] == "kmeans") & results["metric"].isin(_CRITERION)]
    found = {variant: variant_point(str(variant), word, default) for variant in rows["variant"].unique()}
    points = {variant: point[0] for variant, point in found.items() if point and not point[1]}
    rows = rows[rows["variant"].isin(list(points))]
    return rows.assign(point=pd.Series([points[each] for each in rows["variant"]], rows.index, dtype=object))


def _varied(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of encoders of which there is another variant than the default one."""
    panels_of = pd.MultiIndex.from_frame(rows[_PANEL])
    varied = pd.MultiIndex.from_frame(rows.loc[rows["variant"] != DEFAULT, _PANEL])
    return rows[panels_of.isin(varied)]


def _probed(results: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the probes of the networks of `rows`: the default ones, and those of the variant of a run."""
    runs = rows[[*_NETWORK, "k", "variant", "point"]].drop_duplicates()
    probes = results[results["metric"].isin(_ACCURACY)].drop(columns="k")
    found = runs.merge(probes, on=_NETWORK, suffixes=("", "_of_probe"))
    own = (found["variant_of_probe"] == DEFAULT) | (found["variant_of_probe"] == found["variant"])
    return found[own]


def _means(rows: pd.DataFrame) -> pd.DataFrame:
    """Return mean and std over seeds; where a variant repeats the value of the default, that one counts."""
    names = [*_PANEL, "metric", "point"]
    groups = rows.groupby([*names, "variant", "run"], sort=False)["value"]
    table = groups.agg(y="mean", y_std="std").reset_index()
    table = table.assign(later=table["variant"] != DEFAULT).sort_values("later", kind="stable")
    return table.drop_duplicates(names)


def _several_points(table: pd.DataFrame) -> pd.DataFrame:
    """Return the curves with two points or more."""
    points = table.groupby([*_PANEL, "metric"])["point"].transform("nunique")
    return table[points >= 2]


def _panels(table: pd.DataFrame, label: str, labels: Sequence[str]) -> Figure:
    """Draw the criterion (left) and accuracies (right, where there are any), a row for each encoder."""
    shown = [(metrics, what) for metrics, what in _COLUMNS if table["metric"].isin(metrics).any()]
    groups = list(table.groupby(_PANEL, sort=False))
    look = looks(metric for metrics, _ in shown for metric in metrics if (table["metric"] == metric).any())
    width = PAGE_WIDTH if len(shown) > 1 else COLUMN_WIDTH
    figure, axes = panels(len(groups), len(shown), width, 0.35 + 1.9 * len(groups) + 0.05 * len(look))
    for row, ((dataset, encoder, k), here) in enumerate(groups):
        for column, (metrics, what) in enumerate(shown):
            for metric, line in here[here["metric"].isin(metrics)].groupby("metric", sort=False):
                draw_line(axes[row, column], line, "y", look[str(metric)])
            set_axis(axes[row, column], label, range(len(labels)), labels)
            axes[row, column].set_ylabel(what)
        several = f", {k} clusters" if table["k"].nunique() > 1 else ""
        heading(axes[row, 0], f"{dataset}, {encoder}{several}")
    entries = [key(style, metric_title(metric), line=True) for metric, style in look.items()]
    legend_below(figure, [*entries], width)
    return figure
