"""Table of what each deviation of published code changes: its scores, and the difference from clean ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import method_title, metric_title
from clusterprobe.report.selection import DEFAULT, clusterings
from clusterprobe.report.summary import SEEDS, reject_several_runs
from clusterprobe.report.tables import COMPANION_NOTE, Cell, Column, Format, Row, Table

TITLE = "What each deviation of the published code changes"
CLEAN, TOGETHER = "none (clean)", "all of them (published)"

CHANGING = ("acc", "acc_val", "clusters_used", "largest_share")
"""Metrics whose difference from the clean run is printed beside them."""

_METRICS = ("acc", "acc_val", "ami", "clusters_used", "largest_share", "chance_acc")
_SPREAD = {"acc", "acc_val"}
_SAME = ["fit_dataset", "dataset", "split", "encoder", "method", "k", "reducer"]
_ABSENT = "the images carry no labels"


def build_attribution_table(name: str, results: pd.DataFrame) -> Table:
    """Return the scores of clean runs and, below each, those with deviations and their differences from it.

    `results` are tidy. A run with deviations is held against the clean run of the variant default on the same
    encoder, data set, method and number of clusters, seed by seed. Raises UserError if there is no such pair,
    or more than one run for a side of it.
    """
    scores = clusterings(results)
    scores = scores[scores["metric"].isin(_METRICS)]
    rows = [row for _, cell in scores.groupby(_SAME, sort=False, dropna=False) for row in _rows(cell)]
    if not rows:
        raise UserError(
            f"table {name!r} has nothing to show: it needs runs of `protocol: published`, and clean ones of "
            "the variant default beside them"
        )
    rows.sort(key=lambda row: "→" in row.group)  # at home first; encoders and deviations stay in order
    notes = (
        "ACC of a transfer set is ACC-tr. Values in percent, but for clusters used; Δ: difference from the "
        "clean run above, in percentage points (or clusters), mean and standard deviation over pairs of runs "
        "of one seed.",
        COMPANION_NOTE,
    )
    return Table(name, TITLE, ("Encoder", "Deviation"), tuple(_columns()), tuple(rows), notes)


def _columns() -> Iterator[Column]:
    for metric in _METRICS:
        header, spread, count = metric_title(metric), metric in _SPREAD, metric == "clusters_used"
        yield Column(header, metric, "count" if count else "percent", spread=spread)
        if metric in CHANGING:
            form: Format = "count change" if count else "change"
            yield Column(f"Δ {header}", f"change_{metric}", form, spread=spread)


def _rows(cell: pd.DataFrame) -> Iterator[Row]:
    """Yield the rows of one encoder on one data set: the clean one, then those with deviations."""
    clean = cell[(cell["protocol"] == "clean") & (cell["variant"] == DEFAULT)]
    published = cell[cell["protocol"] == "published"]
    if clean.empty or published.empty:
        return
    single = [variant for variant in published["variant"].unique() if variant != DEFAULT]
    last = [DEFAULT] if (published["variant"] == DEFAULT).any() else []
    yield _row(cell, CLEAN, clean, None)
    for variant in [*single, *last]:
        word = TOGETHER if variant == DEFAULT else str(variant)
        yield _row(cell, word, published[published["variant"] == variant], clean)


def _row(cell: pd.DataFrame, word: str, runs: pd.DataFrame, clean: pd.DataFrame | None) -> Row:
    first = cell.iloc[0]
    reject_several_runs(runs, f"the row {word!r} of {first['encoder']} on {first['dataset']}")
    cells = []
    for metric in _METRICS:
        values = _by_seed(runs, metric)
        cells.append(_summary(values, _ABSENT))
        if metric not in CHANGING:
            continue
        if clean is None:
            cells.append(Cell(None, reason="the run that the others are held against", seeds=0))
        else:
            cells.append(_summary((values - _by_seed(clean, metric)).dropna(), _ABSENT))
    return Row((str(first["encoder"]), word), tuple(cells), _heading(first))


def _by_seed(runs: pd.DataFrame, metric: str) -> pd.Series[float]:
    rows = runs[runs["metric"] == metric]
    seeds = [rows[column].fillna(-1).astype(int) for column in SEEDS]
    return rows["value"].astype(float).set_axis(pd.MultiIndex.from_arrays(seeds))


def _summary(values: pd.Series[float], reason: str) -> Cell:
    if values.empty:
        return Cell(None, reason=reason, seeds=0)
    return Cell(float(values.mean()), float(values.std()), len(values))


def _heading(first: pd.Series[Any]) -> str:
    home, away = str(first["fit_dataset"]), str(first["dataset"])
    where = away if home == away else f"{home} → {away}"
    return f"{where}, {first['split']} split, {method_title(str(first['method']))}, {first['k']} clusters"
