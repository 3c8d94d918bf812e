"""Tables of what went in: the data sets and the operations of the strong augmentation (SCAN, S1 and S2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.published import PAPER_TITLES, published, published_cell
from clusterprobe.report.tables import Cell, Column, Row, Table

Intervals = Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class FactTable:
    """A table that no results are needed for."""

    title: str


FACT_TABLES = {
    "scan-table-s1": FactTable("Data sets"),
    "scan-table-s2": FactTable("Operations of the strong augmentation"),
}
"""Tables S1 and S2 by name."""

_COUNTS = {
    "classes": ("Classes", "classes"),
    "train": ("Train images", "train images"),
    "scored": ("Scored images", "val images"),
    "side": ("Image side", "image side"),
}
_PARAMETERS = {
    "rotate": "angle, degrees",
    "solarise": "threshold",
    "colour": "factor",
    "contrast": "factor",
    "brightness": "factor",
    "sharpness": "factor",
    "shear-x": "slope",
    "shear-y": "slope",
    "translate-x": "share of the side",
    "translate-y": "share of the side",
    "posterise": "bits, rounded down",
}


def build_dataset_table(
    name: str, facts: Sequence[Mapping[str, Any]], published_as: Mapping[str, str] | None = None
) -> Table:
    """Return the table of data sets: classes, images, side in pixels; published counts beside ours.

    `facts` are those of `traces.dataset_facts`: dataset (name in the results) or name, splits, classes, and
    side if the images have one size. Raises UserError if there are none.
    """
    if not facts:
        raise UserError(f"table {name!r} has nothing to show: it was given no data sets")
    numbers = published("scan")
    numbers = numbers[numbers["table"] == "Table S1"]
    known = set(numbers["dataset"])
    theirs = {word: there for word, there in (published_as or {}).items() if there in known}
    beside = any(_key(entry) in theirs for entry in facts)
    columns: list[Column] = []
    for slug, (header, _) in _COUNTS.items():
        columns += [Column(f"{header} published", f"published_{slug}", "count")] if beside else []
        columns.append(Column(f"{header} ours" if beside else header, slug, "count"))
    rows = [
        Row((str(entry["name"]),), tuple(_counts(entry, theirs.get(_key(entry)), numbers, beside)))
        for entry in facts
    ]
    note = "Scored images: the test split, or the validation split where there is none."
    cited = (f"Published: {PAPER_TITLES['scan']}, Table S1.",) if beside else ()
    return Table(
        name, FACT_TABLES["scan-table-s1"].title, ("Data set",), tuple(columns), tuple(rows), (note, *cited)
    )


def _key(entry: Mapping[str, Any]) -> str:
    return str(entry.get("dataset", entry["name"]))


def _counts(entry: Mapping[str, Any], theirs: str | None, numbers: pd.DataFrame, beside: bool) -> list[Cell]:
    splits = entry["splits"]
    scored = next((splits[split] for split in ("test", "val") if split in splits), None)
    ours = {
        "classes": (entry.get("classes"), "the images carry no labels"),
        "train": (splits.get("train"), "there is no train split"),
        "scored": (scored, "there is neither a test nor a validation split"),
        "side": (entry.get("side"), "the images differ in size"),
    }
    cells = []
    for slug, (_, metric) in _COUNTS.items():
        value, reason = ours[slug]
        if beside and theirs is None:
            cells.append(Cell(None, reason="a data set that the paper does not have", seeds=0))
        elif beside:
            rows = numbers[numbers["dataset"] == theirs]
            cells.append(published_cell(rows, metric, f"Table S1, {theirs}"))
        cells.append(Cell(None, reason=reason) if value is None else Cell(float(value)))
    return cells


def build_operation_table(name: str, operations: Intervals | None = None) -> Table:
    """Return the table of operations, each with the interval of its parameter.

    `operations`: name -> (low, high), equal where there is no parameter; those of the code if not given.
    """
    if operations is None:
        from clusterprobe.images.strong_steps import OPERATIONS  # torch: only where it is needed

        operations = {word: (found.low, found.high) for word, found in OPERATIONS.items()}
    rows = [
        Row((word, _PARAMETERS.get(word, "value") if low != high else "none", _interval(low, high)), ())
        for word, (low, high) in operations.items()
    ]
    note = "Parameters are drawn uniformly from their interval, anew for every operation and image."
    headers = ("Operation", "Parameter", "Interval")
    return Table(name, FACT_TABLES["scan-table-s2"].title, headers, (), tuple(rows), (note,))


def _interval(low: float, high: float) -> str:
    return f"{low:g} to {high:g}".replace("-", "−") if low != high else "none"
