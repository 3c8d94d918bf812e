"""Tables of papers that read labels from features: what was printed beside our probes.

The rows are those of the published numbers, in their order; a table says which of them have a side of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from clusterprobe.report.published import PAPER_TITLES, published, published_cell
from clusterprobe.report.selection import DEFAULT, at_home, default_variant
from clusterprobe.report.summary import reject_several_runs, summarise
from clusterprobe.report.tables import Cell, Column, Row, Table

_METHODS = ("linear", "knn")
_BY_KMEANS = "nmi_geometric"
"""A metric of k-means on the features, not of a probe."""

_WORDS = {
    "linear": "a linear probe",
    "voc": "a linear probe",
    "knn": "a kNN probe",
    "retrieval": "a kNN probe",
    "nmi": "k-means",
}


@dataclass(frozen=True)
class Reading:
    """A pair of columns: metric and variant of our probe, metric of the paper, and what stands above.

    `protocol`: which of the paper's protocols, by its beginning, if it has several. `quoted`: a sentence that
    says why there is no side of ours; then no column of the table has one.
    """

    metric: str
    variant: str
    published: str
    title: str
    protocol: str = ""
    quoted: str = ""


@dataclass(frozen=True)
class ProbeTable:
    """A table of probes in a paper.

    `keys` are the columns of the published numbers that name a row, `headers` how they are headed. `ours`
    maps the published method (or method and beginning of the note) to readable names of our encoders, the
    first with probes counts. `known_as`: what the paper calls data sets that other papers call otherwise.
    `datasets`: those of the paper that the table is about, if not all. `tailed`: of our data sets that the
    paper has not, those with a long tail, or (False) the others; None: all; without `own_rows` none at all.
    `protocol`: what our numbers are; `unit`: of all numbers. `suffixes` maps published methods to what the
    variants of our probes end in for their rows, `quoted_sets` data sets to why we have no numbers on them.
    """

    paper: str
    table: str
    title: str
    keys: tuple[str, ...]
    headers: tuple[str, ...]
    readings: tuple[Reading, ...]
    ours: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()
    known_as: Mapping[str, str] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    tailed: bool | None = None
    own_rows: bool = True
    protocol: str = (
        "linear classifiers on features of the centre crop, their setting chosen on a part of the train "
        "split, scored on that crop or, where the experiment asks for it, on ten crops"
    )
    unit: str = "Top-1 accuracy"
    suffixes: Mapping[str, str] = field(default_factory=dict)
    quoted_sets: Mapping[str, str] = field(default_factory=dict)


def build_paper_probes(
    name: str,
    recipe: ProbeTable,
    results: pd.DataFrame,
    classes: Mapping[str, int] | None = None,
    published_as: Mapping[str, str] | None = None,
) -> Table:
    """Return a table of probes: published numbers, and ours where the experiment has such probes.

    Data sets of ours that the paper has not follow after those that it has, with our rows alone. `results`
    are tidy; `classes` gives the number of classes of a data set of ours, `published_as` its name in the
    paper. Raises UserError if several runs or probes fit a cell.
    """
    numbers = published(recipe.paper)
    numbers = numbers[(numbers["table"] == recipe.table) & ~numbers["metric"].str.startswith("delta")]
    numbers = numbers[numbers["dataset"].isin(recipe.datasets or set(numbers["dataset"]))].drop_duplicates()
    probes = _measured(results, classes)
    tails = set(probes.loc[probes["metric"].str.endswith("_class_mean"), "dataset"])
    names = {ours: recipe.known_as.get(theirs, theirs) for ours, theirs in (published_as or {}).items()}
    rows: list[Row] = []
    for dataset, part in numbers.groupby("dataset", sort=False):
        here = [ours for ours, theirs in names.items() if theirs == dataset]
        rows += _rows(recipe, part, probes[probes["dataset"].isin(here)], str(dataset), bool(here))
    for dataset, found in probes.groupby("dataset", sort=False):
        if not recipe.own_rows or (recipe.tailed is not None and recipe.tailed != (dataset in tails)):
            continue
        if names.get(str(dataset)) not in set(numbers["dataset"]):
            rows += _own_rows(recipe, numbers, found, str(dataset))
    columns = []
    for reading in recipe.readings:
        slug = reading.title.lower().replace("-", "")
        columns.append(Column(f"{reading.title} published", f"published_{slug}", compared=True))
        if reading.quoted:
            continue
        ours = reading.metric if reading.variant == DEFAULT else f"{reading.metric}_{reading.variant}"
        columns.append(Column(f"{reading.title} ours", ours, spread=True, compared=True))
    return Table(name, recipe.title, recipe.headers, tuple(columns), tuple(rows), _notes(recipe, rows))


def _measured(results: pd.DataFrame, classes: Mapping[str, int] | None) -> pd.DataFrame:
    """Return the rows of our probes, and of clean k-means on features, with as many clusters as classes."""
    probes = results["method"].isin(_METHODS) & results["run"].astype("string").str.startswith("probe-")
    clustered = default_variant(at_home(results), classes)
    chosen = (clustered["method"] == "kmeans") & (clustered["protocol"] == "clean")
    clustered = clustered[chosen & (clustered["metric"] == _BY_KMEANS)]
    return pd.concat([results[probes], clustered]) if len(clustered) else results[probes]


def _rows(
    recipe: ProbeTable, numbers: pd.DataFrame, probes: pd.DataFrame, dataset: str, is_there: bool
) -> Iterator[Row]:
    """Yield the published rows of one data set, each beside ours."""
    for first, part in _lines(recipe, numbers):
        cells: list[Cell] = []
        for reading in recipe.readings:
            theirs = _theirs(part, reading, f"{recipe.table}, {dataset}, {first['method']}")
            by = _WORDS[reading.metric.partition("_")[0]] if reading.metric else ""
            waits = f"waits for {by} on {dataset}" if is_there else f"waits for a run on {dataset}"
            reason = waits if theirs.reason is None else "neither is it in the paper"
            reason = recipe.quoted_sets.get(dataset, reason)
            ours = [] if reading.quoted else [_ours(recipe, probes, reading, first, reason)]
            cells += [theirs, *ours]
        yield Row(_labels(recipe, first), tuple(cells), dataset)


def _own_rows(recipe: ProbeTable, numbers: pd.DataFrame, probes: pd.DataFrame, dataset: str) -> Iterator[Row]:
    """Yield our rows on a data set that the paper has not, each encoder once; networks are our own there."""
    theirs = Cell(None, reason="a data set that the paper does not have", seeds=0)
    reason = "a probe that was not asked for here"
    shown = set()
    for first, _ in _lines(recipe, numbers):
        names = _names(recipe, first), recipe.suffixes.get(first["method"])
        if names in shown:
            continue
        shown.add(names)
        cells = [
            _ours(recipe, probes, reading, first, reason) for reading in recipe.readings if not reading.quoted
        ]
        if any(not cell.empty for cell in cells):
            labels = (_labels(recipe, first)[0], *["–" for _ in recipe.keys[1:]])
            yield Row(labels, tuple(each for ours in cells for each in (theirs, ours)), dataset)


def _lines(recipe: ProbeTable, numbers: pd.DataFrame) -> Iterator[tuple[Mapping[str, str], pd.DataFrame]]:
    """Yield the published numbers of each row, and the texts of the first of them."""
    for _, part in numbers.groupby([*recipe.keys, "note"], sort=False):
        yield {str(key): str(value) for key, value in part.iloc[0].items()}, part


def _names(recipe: ProbeTable, row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names of our encoders that a published row may be compared with."""
    for wanted, names in recipe.ours.items():
        method, _, note = wanted.partition("|")
        if row["method"] == method and row["note"].startswith(note):
            return names
    return ()


def _labels(recipe: ProbeTable, row: Mapping[str, str]) -> tuple[str, ...]:
    """Return the texts that name a row; a note begins with what it is about, a protocol ends in it."""
    words = {"note": row["note"].split("; ")[0], "protocol": row["protocol"].split("; ")[-1]}
    words["backbone"] = _SHORTER.get(row["backbone"], row["backbone"])
    return tuple(words.get(key, row[key]) for key in recipe.keys)


_SHORTER = {"AlexNet (larger variant, 96/256 first filters)": "AlexNet, larger"}


def _theirs(rows: pd.DataFrame, reading: Reading, where: str) -> Cell:
    rows = rows[rows["protocol"].str.startswith(reading.protocol)]
    if not (rows["metric"] == reading.published).any():
        return Cell(None, reason="not reported in the paper", seeds=0)
    return published_cell(rows, reading.published, where)


def _ours(
    recipe: ProbeTable, probes: pd.DataFrame, reading: Reading, row: Mapping[str, str], waits: str
) -> Cell:
    names = _names(recipe, row)
    if not names:
        return Cell(None, reason="prior work, as published", seeds=0)
    variant = reading.variant + recipe.suffixes.get(row["method"], "")
    rows = probes[(probes["metric"] == reading.metric) & (probes["variant"] == variant)]
    for name in names:
        own = rows[rows["encoder"] == name]
        if len(own):
            where = f"the row {row['method']!r} ({reading.title}) on {own['dataset'].iloc[0]}"
            reject_several_runs(own, where)
            found: Mapping[Any, Any] = summarise(own, ["dataset", "encoder", "run"]).iloc[0].to_dict()
            return Cell(float(found["mean"]), float(found["std"]), int(found["n_seeds"]))
    return Cell(None, reason=waits, seeds=0)


def _notes(recipe: ProbeTable, rows: list[Row]) -> tuple[str, ...]:
    quoted = [reading.quoted for reading in recipe.readings if reading.quoted]
    ours = [] if quoted else [cell for row in rows for cell in row.cells[1::2]]
    notes = [f"{recipe.unit} in percent. Published: {PAPER_TITLES[recipe.paper]}, {recipe.table}."]
    if any(not cell.empty for cell in ours):
        notes.append(f"Ours: {recipe.protocol}; mean ± standard deviation over seeds.")
    waiting = dict.fromkeys(
        cell.reason
        for cell in ours
        if cell.empty and (str(cell.reason).startswith("waits") or cell.reason in recipe.quoted_sets.values())
    )
    return (*notes, *dict.fromkeys(quoted), *recipe.notes, *(f"Ours: {reason}." for reason in waiting))
