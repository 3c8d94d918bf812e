"""Table of the classes that are taken for one another most often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.report.tables import Cell, Column, Row, Table

TITLE = "Most frequent confusions"

_COLUMNS = (Column("Images", "images", "count"), Column("Share of the class", "share"))
_NOTE = "Images of the evaluated split over all seeds; share of the class in percent."


def build_confusion_table(name: str, confusions: Sequence[Mapping[str, Any]]) -> Table:
    """Return the table of confusions, those of one run under one heading.

    `confusions`: for each run what `evaluate.frames.largest_confusions` returns. A run without a mistake has
    a row that says so. Raises UserError if there are no runs.
    """
    if not confusions:
        raise UserError(f"table {name!r} has nothing to show: no run has labels; leave it out")
    rows = [row for run in confusions for row in _rows(str(run["title"]), run["found"])]
    return Table(name, TITLE, ("Class of the image", "Class of the cluster"), _COLUMNS, tuple(rows), (_NOTE,))


def _rows(title: str, found: Sequence[Mapping[str, Any]]) -> list[Row]:
    if not found:
        none = Cell(None, reason="every image is in a cluster of its class", seeds=0)
        return [Row(("none", "none"), (none, none), title)]
    return [
        Row(
            (str(pair["truth"]), str(pair["predicted"])),
            (Cell(float(pair["images"])), Cell(float(pair["share"]))),
            title,
        )
        for pair in found
    ]
