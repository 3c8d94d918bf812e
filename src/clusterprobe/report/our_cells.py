"""Our side of a published table: which runs stand in a row, and what they reached."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from clusterprobe.config.multiples import multiple
from clusterprobe.report.names import method_title
from clusterprobe.report.selection import DEFAULT, at_home, unlabelled
from clusterprobe.report.summary import CELL, SEEDS, reject_several_runs, summarise
from clusterprobe.report.tables import Cell
from clusterprobe.store.tables import RESULTS

PROBE = "linear_top1"
"""The metric of a table that is read from features, not from clusters."""

Classes = Mapping[str, int]


@dataclass(frozen=True)
class Place:
    """A data set on both sides: our name and rows, the name in the paper; None where a side lacks it.

    `probes` are the rows of linear probes with all labels.
    """

    dataset: str | None
    published: str | None
    rows: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=RESULTS.names))
    split: str = ""
    classes: int | None = None
    unlabelled: Mapping[str, str] = field(default_factory=dict)
    probes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=RESULTS.names))


@dataclass(frozen=True)
class Wanted:
    """The runs of a row, the metrics of its columns, and what explains their absence."""

    label: str
    method: str
    variant: str
    encoder: str | None
    factor: float
    metrics: tuple[str, ...]
    lacks: Mapping[str, str]
    waits: str
    best_run: bool


def places(
    results: pd.DataFrame, classes: Classes, published_as: Mapping[str, str], known: set[str]
) -> list[Place]:
    """Return the data sets that were clustered; a paper has those in `known`, by the name `published_as`."""
    home = at_home(results)
    probes = results[(results["metric"] == PROBE) & (results["variant"] == DEFAULT)]
    reasons = unlabelled(results)
    found = []
    for dataset, rows in home.groupby("dataset", sort=False):
        name = str(dataset)
        theirs = published_as.get(name)
        absent = {metric: why for (_, there, metric), why in reasons.items() if there == name}
        found.append(
            Place(
                name,
                theirs if theirs in known else None,
                rows,
                str(rows["split"].iloc[0]),
                classes.get(name),
                absent,
                probes[probes["dataset"] == name],
            )
        )
    return found


def find_encoder(rows: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return the first encoder whose readable name is, or begins with the word, one of `names`."""
    present = [str(name) for name in rows["encoder"].unique()]
    for wanted in names:
        for name in present:
            if re.match(rf"{re.escape(wanted)}(?![\w-])", name, re.IGNORECASE):
                return name
    return None


def our_cells(place: Place, wanted: Wanted) -> tuple[Cell, ...]:
    """Return one cell per metric; those without a value say why, unless the results are incomplete."""
    rows = _runs(place, wanted)
    if rows.empty:
        reason = _waits(place, wanted)
        return tuple(Cell(None, reason=reason, seeds=0) for _ in wanted.metrics)
    reject_several_runs(rows, f"the row {wanted.label!r} on {place.dataset}")
    if wanted.best_run:
        rows = _best_run(rows, wanted.metrics[0])
    if PROBE in wanted.metrics:
        rows = pd.concat([rows, place.probes[place.probes["encoder"] == wanted.encoder]])
    summary = {str(row["metric"]): row for row in summarise(rows, CELL).to_dict("records")}
    return tuple(_cell(summary.get(metric), metric, place, wanted) for metric in wanted.metrics)


def _runs(place: Place, wanted: Wanted) -> pd.DataFrame:
    rows = place.rows
    chosen = (rows["method"] == wanted.method) & (rows["variant"] == wanted.variant)
    rows = rows[(chosen & (rows["encoder"] == wanted.encoder)).fillna(False).astype(bool)]
    if place.classes is not None:
        rows = rows[(rows["k"] == multiple(wanted.factor, place.classes)).fillna(False).astype(bool)]
    return rows


def _best_run(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of the seed with the highest value of `metric`."""
    scores = rows[rows["metric"] == metric]
    if scores.empty:
        return rows
    best = scores.iloc[int(scores["value"].to_numpy(dtype=float).argmax())]
    same = [rows[seed].isna() if pd.isna(best[seed]) else rows[seed] == best[seed] for seed in SEEDS]
    return rows[(same[0] & same[1]).fillna(False).astype(bool)]


def _cell(value: Mapping[Any, Any] | None, metric: str, place: Place, wanted: Wanted) -> Cell:
    if value is None:
        reason = wanted.lacks.get(metric) or place.unlabelled.get(metric)
        reason = "waits for a linear probe on these features" if metric == PROBE else reason
        return Cell(None, reason=reason, seeds=0)
    return Cell(float(value["mean"]), float(value["std"]), int(value["n_seeds"]))


def _waits(place: Place, wanted: Wanted) -> str:
    if place.dataset is None:
        return f"waits for a run on {place.published}"
    if wanted.waits:
        return wanted.waits
    variant = "" if wanted.variant == DEFAULT else f", variant {wanted.variant}"
    return f"waits for a run of {method_title(wanted.method)}{variant}"
