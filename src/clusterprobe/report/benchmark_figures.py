"""Figures 1 and 2 of the benchmark of k-means on self-supervised features (arXiv 2008.10312), ours beside it.

Frames carry in `attrs`: `encoders` (by readable name `seen`, and `linear`, a quoted accuracy in percent),
`published_as` (data set -> its name in the paper) and `classes` (data set -> how many it has).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clusterprobe.config.errors import UserError
from clusterprobe.report.benchmark import METHODS, PAPER
from clusterprobe.report.curves import SWEPT, draw_sweep, with_numbers
from clusterprobe.report.names import method_title
from clusterprobe.report.our_cells import PROBE
from clusterprobe.report.panels import drawable, legend_below, panels
from clusterprobe.report.point_labels import NamedPoint, label_points
from clusterprobe.report.published import published
from clusterprobe.report.regression import Fit, least_squares
from clusterprobe.report.selection import DEFAULT, at_home, default_variant, sweep
from clusterprobe.report.style import GREY, INK, PAGE_WIDTH, looks, percent_axis
from clusterprobe.report.summary import cells, reject_several_runs

FITTED = "ImageNet"
_PUBLISHED = "published"
_HEIGHT = 4.2  # inches
_PROTOCOLS = {"clean": "clean", "published": "as published"}
_LEFT_OUT = ("SwAV", "SimCLRv2 (ResNet-152 3×")
"""Encoders that the fit of the paper leaves out of Figure 1a."""


@dataclass(frozen=True)
class _Cloud:
    """Points of one kind: names, x and y (fractions), and which of them the line is fitted to.

    `measured`: whether x was measured here; `quoted`: what x is elsewhere, by name.
    """

    label: str
    names: Sequence[str]
    x: Sequence[float]
    y: Sequence[float]
    fitted: Sequence[bool]
    measured: Sequence[bool]
    quoted: Mapping[str, float] = field(default_factory=dict)


def linear_against_acc(results: pd.DataFrame) -> Figure:
    """Draw ACC of k-means against the accuracy of a linear classifier, quoted or measured here, with fits."""
    name = "kmeans-figure-1a"
    facts = results.attrs.get("encoders", {})
    rows = _self_supervised(results, facts)
    probes = results[(results["metric"] == PROBE) & (results["variant"] == DEFAULT)]
    probes = probes[probes["dataset"].isin(rows["dataset"])]
    measured = probes.groupby("encoder")["value"].mean().to_dict()
    clouds = [_published_cloud("linear top-1", "ACC", _LEFT_OUT)] if _is_paper_set(results, rows) else []
    for protocol, table in _protocols(name, rows, ["acc"]):
        quoted = {encoder: linear / 100 for encoder, linear in _linear(facts).items()}
        known = quoted | measured
        table = table[table["encoder"].isin(known)]
        x = [known[encoder] for encoder in table["encoder"]]
        of_ours = [encoder in measured for encoder in table["encoder"]]
        cloud = _cloud(protocol, table, x, table["acc"], of_ours)
        clouds.append(replace(cloud, quoted={name: quoted[name] for name in quoted if name in measured}))
    if not any(len(cloud.x) for cloud in clouds if cloud.label != _PUBLISHED):
        raise UserError(
            f"figure {name!r} has nothing to draw: no linear accuracy of an encoder is known; add a probe, "
            "or `linear` to an encoder"
        )
    return _draw_clouds(clouds, "linear accuracy (%)", "ACC of k-means (%)")


def acc_against_ari(results: pd.DataFrame) -> Figure:
    """Draw ARI of k-means against ACC, one point for each encoder, with fits."""
    rows = _self_supervised(results, results.attrs.get("encoders", {}))
    clouds = [_published_cloud("ACC", "ARI", ())] if _is_paper_set(results, rows) else []
    for protocol, table in _protocols("kmeans-figure-1b", rows, ["acc", "ari"]):
        clouds.append(_cloud(protocol, table, table["acc"], table["ari"], [False] * len(table)))
    return _draw_clouds(clouds, "ACC of k-means (%)", "ARI of k-means (%)")


def acc_by_dims(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of k-means on the leading principal components, beside the points of the paper."""
    table = _swept("kmeans-figure-2a", results, "dims")
    table = table.assign(at=table["dims"].astype("float64"))
    table = _with_published(results, table, "Figure 2a (repo)", r"PCA dims=(\d+)")
    full = 2 * float(table["at"].max())
    ticks, labels = _ticks(table.assign(at=table["at"].fillna(full)))
    labels = ["all" if tick == full else label for tick, label in zip(ticks, labels, strict=True)]
    return draw_sweep(table.assign(at=table["at"].fillna(full)), "principal components", ticks, labels)


def acc_by_clusters(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of k-means against the number of clusters, beside the points of the paper."""
    table = _swept("kmeans-figure-2b", results, "k")
    table = table.assign(at=table["k"].astype("float64"))
    table = _with_published(results, table, "Figure 2b (repo)", r"K=(\d+)")
    return draw_sweep(table, "clusters", *_ticks(table))


def _self_supervised(results: pd.DataFrame, facts: Mapping[str, Any]) -> pd.DataFrame:
    """Return the default runs of encoders that saw no labels: on the set of the paper, or the first one.

    Where the number of classes is known, those with as many clusters.
    """
    rows = default_variant(at_home(results), results.attrs.get("classes"))
    with_labels = [name for name, each in facts.items() if each.get("seen") == "labels"]
    rows = rows[rows["method"].isin(METHODS) & ~rows["encoder"].isin(with_labels)]
    called = results.attrs.get("published_as", {})
    datasets = sorted(rows["dataset"].unique(), key=lambda name: called.get(str(name)) != FITTED)
    return rows[rows["dataset"] == datasets[0]] if datasets else rows


def _linear(facts: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(each["linear"]) for name, each in facts.items() if each.get("linear") is not None}


def _is_paper_set(results: pd.DataFrame, rows: pd.DataFrame) -> bool:
    called = results.attrs.get("published_as", {})
    return any(called.get(str(name)) == FITTED for name in rows["dataset"].unique())


def _protocols(name: str, rows: pd.DataFrame, metrics: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the protocols that there are and one row for each encoder and method, with all of the metrics."""
    rows = drawable(name, rows[rows["metric"].isin(metrics)], " and ".join(metrics).upper())
    for (protocol, encoder, method), part in rows.groupby(["protocol", "encoder", "method"]):
        reject_several_runs(part, f"the point of {encoder}, {method_title(str(method))} ({protocol})")
    for protocol, part in rows.groupby("protocol", sort=True):
        table = cells(part).reindex(columns=["encoder", "method", *metrics]).dropna(subset=metrics)
        yield _PROTOCOLS[str(protocol)], table


def _cloud(label: str, table: pd.DataFrame, x: Any, y: Any, measured: Sequence[bool]) -> _Cloud:
    names = [str(name) for name in table["encoder"]]
    return _Cloud(label, names, list(map(float, x)), list(map(float, y)), [True] * len(names), measured)


def _published_cloud(x: str, y: str, left_out: tuple[str, ...]) -> _Cloud:
    """Return the points of the paper's Table 2: self-supervised encoders with as many clusters as classes."""
    rows = published(PAPER)
    rows = rows[(rows["table"] == "Table 2") & rows["metric"].isin([x, y])]
    own = ~rows["method"].str.contains(r"supervised|over\.|Van Gansbeke|Asano")
    wide = rows[own].pivot(index="method", columns="metric", values="mean").dropna()
    fitted = [not str(name).replace("3× ,", "3×,").startswith(left_out) for name in wide.index]
    names = [str(name) for name in wide.index]
    return _Cloud(_PUBLISHED, names, list(wide[x] / 100), list(wide[y] / 100), fitted, [False] * len(names))


def _draw_clouds(clouds: Sequence[_Cloud], across: str, up: str) -> Figure:
    figure, axes = panels(1, 1, PAGE_WIDTH, _HEIGHT)
    axis = axes[0, 0]
    look = looks([cloud.label for cloud in clouds if cloud.label != _PUBLISHED])
    handles: list[Artist] = []
    points: list[NamedPoint] = []
    for cloud in clouds:
        theirs = cloud.label == _PUBLISHED
        colour = GREY if theirs else look[cloud.label].colour
        marker = "x" if theirs else look[cloud.label].marker
        found = _scatter(axis, cloud, colour, marker)
        points = [*points, *found] if theirs else [*found, *points]
        fit = _line(axis, cloud, colour)
        handles.append(Line2D([], [], color=colour, marker=marker, ls="--", label=_described(cloud, fit)))
    if any(any(cloud.measured) for cloud in clouds):
        handles.append(
            Line2D(
                [], [], color=INK, marker="o", ls="none", label="filled: x was measured here, hollow: quoted"
            )
        )
    axis.set_xlabel(across)
    axis.set_ylabel(up)
    percent_axis(axis, "x")
    percent_axis(axis, "y")
    label_points(axis, points, 0.85 * PAGE_WIDTH, 0.75 * _HEIGHT)
    legend_below(figure, handles, PAGE_WIDTH)
    return figure


def _scatter(axis: Axes, cloud: _Cloud, colour: str, marker: str) -> list[NamedPoint]:
    """Draw the points and return them; hollow where x is a quoted number while others are measured.

    A dotted line leads from a measured one to the quoted number of the same encoder.
    """
    for x, y, measured in zip(cloud.x, cloud.y, cloud.measured, strict=True):
        face = "none" if any(cloud.measured) and not measured else colour
        axis.plot(x, y, marker=marker, ls="none", color=colour, mfc=face, ms=4.5)
    for name, x, y in zip(cloud.names, cloud.x, cloud.y, strict=True):
        if name in cloud.quoted:
            axis.plot([x, cloud.quoted[name]], [y, y], color=colour, ls=":", lw=0.7, alpha=0.6)
            axis.plot(cloud.quoted[name], y, marker=marker, ls="none", color=colour, mfc="none", ms=4.5)
    places = zip(cloud.x, cloud.y, cloud.names, strict=True)
    return [NamedPoint(x, y, name, colour) for x, y, name in places]


def _line(axis: Axes, cloud: _Cloud, colour: str) -> Fit | None:
    chosen = np.array(cloud.fitted, dtype=bool)
    fit = least_squares(np.array(cloud.x)[chosen], np.array(cloud.y)[chosen])
    if fit is not None:
        ends = np.array([min(cloud.x), max(cloud.x)])
        axis.plot(ends, fit.at(ends), color=colour, ls="--", lw=0.8)
    return fit


def _described(cloud: _Cloud, fit: Fit | None) -> str:
    if fit is None:
        return f"{cloud.label} (no fit)"
    left = len(cloud.fitted) - sum(cloud.fitted)
    words = f"{cloud.label}: slope {fit.slope:.2f} ± {fit.slope_error:.2f}, R² {fit.r_squared:.2f}"
    return words + (f" ({left} left out)" if left else "")


def _swept(name: str, results: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return one row per point of a sweep, with the names of their lines."""
    rows = sweep(at_home(results), axis)
    rows = drawable(name, rows[rows["metric"].isin(SWEPT)], f"runs that differ in {axis} only")
    table = cells(rows)
    lines = table["encoder"] + ", " + table["protocol"].map(_PROTOCOLS)
    return table.assign(line=with_numbers(lines, table, axis))


def _with_published(results: pd.DataFrame, table: pd.DataFrame, source: str, place: str) -> pd.DataFrame:
    """Add the points of a figure of the paper to those on the same data set."""
    called = results.attrs.get("published_as", {})
    home = [name for name in table["dataset"].unique() if called.get(str(name)) == FITTED]
    if not home:
        return table
    rows = published(PAPER)
    rows = rows[rows["table"] == source]
    at = [float(re.search(place, note)[1]) for note in rows["note"]]  # type: ignore[index]
    rows = rows.assign(at=at)
    found = []
    for value, part in rows.groupby("at"):
        point = {"dataset": home[0], "line": f"{part['method'].iloc[0]}, arXiv 2008.10312", "at": value}
        for row in part.to_dict("records"):
            metric = str(row["metric"]).lower()
            point |= {metric: row["mean"] / 100, f"{metric}_std": row["std"] / 100}
        found.append(point)
    return pd.concat([table, pd.DataFrame(found)], ignore_index=True)


def _ticks(table: pd.DataFrame) -> tuple[list[int], list[str]]:
    """Return where the points are, and labels of those that have room for one."""
    values = sorted({int(value) for value in table["at"]})
    room = (
        (values[-1] - values[0]) / 10 if values[-1] < 8 * values[0] else 0
    )  # beyond, the axis is a logarithm
    labels, last = [], -np.inf
    for value in values:
        shown = value - last >= room
        labels.append(str(value) if shown else "")
        last = value if shown else last
    return values, labels
