"""Table 1 of arXiv 2008.10312 out of the catalogue of encoders: methods by published linear accuracy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.published import PAPER_TITLES, published, published_cell
from clusterprobe.report.tables import Cell, Column, Row, Table

TITLE = "Linear accuracy on ImageNet, as published"
_RESNET = "ResNet-50"
_WIDTHS = {_RESNET: "linear top-1, ResNet-50", "best": "linear top-1, best network"}
_THEIR_WORDS = {"Self-Label": "SeLa", "Clustering from pretext": "SCAN"}
_ELSEWHERE = "a method that Table 1 does not have"

_COLUMNS = (
    Column(f"{_RESNET} published", "resnet50_published"),
    Column(f"{_RESNET} catalogue", "resnet50"),
    Column("Best network published", "best_published"),
    Column("Best network catalogue", "best"),
    Column("Checkpoints", "checkpoints", "count"),
)
_NOTES = (
    "Top-1 accuracy of a linear classifier in percent: what the paper quotes in its Table 1, and what the "
    "catalogue config/encoders.yaml has, the highest where a network has several checkpoints. Networks and "
    "sources are those of the best one. Checkpoints: files that can be used here.",
    f"Published: {PAPER_TITLES['kmeans_ssl']}, Table 1.",
)


def build_catalogue_table(name: str, entries: Sequence[Mapping[str, Any]]) -> Table:
    """Return one row for each method that was trained without labels, in the order of the catalogue.

    `entries` are those of config.published_encoders.catalogue_facts. Raises UserError if there are none.
    """
    methods: dict[str, list[Mapping[str, Any]]] = {}
    for entry in entries:
        if entry["seen"] != "labels":
            methods.setdefault(entry["method"], []).append(entry)
    if not methods:
        raise UserError(f"table {name!r} has nothing to show: the catalogue of encoders is empty")
    theirs = _quoted()
    rows = [_row(method, found, theirs.get(method)) for method, found in methods.items()]
    rows.sort(key=lambda row: row.group != _GROUPS[0])
    return Table(name, TITLE, ("Method", "Best network", "Source"), _COLUMNS, tuple(rows), _NOTES)


_GROUPS = ("in Table 1 of the paper", "further methods of the catalogue")


def _quoted() -> dict[str, pd.DataFrame]:
    """Return the numbers of Table 1 by the name that the catalogue has for their method."""
    numbers = published("kmeans_ssl")
    numbers = numbers[numbers["table"] == "Table 1"]
    words = numbers["method"].str.partition(" (")[0].replace(_THEIR_WORDS)
    return {str(word): rows for word, rows in numbers.groupby(words)}


def _row(method: str, entries: Sequence[Mapping[str, Any]], theirs: pd.DataFrame | None) -> Row:
    known = [entry for entry in entries if entry["linear"] is not None]
    best = max(known, key=lambda entry: float(entry["linear"]), default=None)
    cells = []
    for network, metric in _WIDTHS.items():
        if theirs is None:
            cells.append(Cell(None, reason=_ELSEWHERE, seeds=0))
        else:
            cells.append(published_cell(theirs, metric, f"Table 1, {method}"))
        cells.append(_highest([entry for entry in known if network in ("best", entry["network"])]))
    cells.append(_checkpoints(entries))
    labels = (method, str(best["network"]), str(best["source"])) if best else (method, "none", "none")
    return Row(labels, tuple(cells), _GROUPS[theirs is None])


def _highest(entries: Sequence[Mapping[str, Any]]) -> Cell:
    if not entries:
        return Cell(None, reason="no published accuracy of such a network in the catalogue", seeds=0)
    return Cell(max(float(entry["linear"]) for entry in entries) / 100)


def _checkpoints(entries: Sequence[Mapping[str, Any]]) -> Cell:
    usable = sum(entry["reason"] is None for entry in entries)
    if usable:
        return Cell(float(usable))
    return Cell(None, reason="; ".join(dict.fromkeys(str(entry["reason"]) for entry in entries)), seeds=0)
