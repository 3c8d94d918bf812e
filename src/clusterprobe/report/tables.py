"""A table before it has a format: columns, rows, and which values stand out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import ACCURACIES, COMPANIONS, SHOTS, metric_title

Format = Literal["percent", "count", "number", "change", "count change"]
Mark = Literal["best", "tie", ""]

COMPANION_NOTE = (
    "Largest share: images in the largest cluster. "
    "Chance ACC: the same clusters scored against permuted labels."
)
_COMPARED = frozenset(
    {"acc", "acc_val", "acc_majority", "top5", "ami", "ari", "nmi", "linear_top1", "ami_balanced"}
    | {f"acc_{shots}" for shots in SHOTS}
    | {"recall_shared", "recall_unshared"}
)


@dataclass(frozen=True)
class Column:
    """One metric: how it is headed, printed and compared.

    `spread` prints the standard deviation over seeds; `compared` marks the highest value of a group of rows.
    """

    header: str
    metric: str
    format: Format = "percent"
    spread: bool = False
    compared: bool = False


@dataclass(frozen=True)
class Cell:
    """Mean and standard deviation over seeds, or the reason why there is no value."""

    mean: float | None
    std: float | None = None
    seeds: int = 1
    reason: str | None = None

    @property
    def empty(self) -> bool:
        """Whether there is no number."""
        return self.mean is None or not math.isfinite(self.mean)


@dataclass(frozen=True)
class Row:
    """The labels of a row, its cells (one per column) and the heading that it stands under.

    A row that is not `compared` (an oracle, the best of several runs) is never marked and outdoes none.
    """

    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    group: str = ""
    compared: bool = True


@dataclass(frozen=True)
class Table:
    """A table of results. `notes` are sentences printed below it."""

    name: str
    title: str
    label_headers: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        metrics = {column.metric for column in self.columns}
        lacking = [companion for companion in COMPANIONS if companion not in metrics]
        if metrics & ACCURACIES and lacking:
            raise ValueError(f"table {self.name!r} prints an accuracy without {', '.join(lacking)}")

    def groups(self) -> list[tuple[str, list[Row]]]:
        """Return the rows under each heading, headings in order of first appearance."""
        found: dict[str, list[Row]] = {}
        for row in self.rows:
            found.setdefault(row.group, []).append(row)
        return list(found.items())


def metric_column(metric: str, header: str | None = None) -> Column:
    """Return the column of one of our metrics; `header` replaces its printed name."""
    header = header or metric_title(metric)
    if metric == "clusters_used":
        return Column(header, metric, "count")
    if metric == "entropy":
        return Column(header, metric, "number")
    return Column(header, metric, spread=metric in _COMPARED, compared=metric in _COMPARED)


def check(table: Table) -> None:
    """Raise UserError that names row and column of the first cell with neither a value nor a reason."""
    if not table.rows:
        raise UserError(f"table {table.name!r} has no rows: leave it out of `report: tables:`")
    for row in table.rows:
        if len(row.cells) != len(table.columns) or len(row.labels) != len(table.label_headers):
            raise ValueError(f"table {table.name!r}: row {row.labels} does not fit the columns")
        for column, cell in zip(table.columns, row.cells, strict=True):
            if cell.empty and cell.reason is None:
                where = f"row {_describe(row)!r}, column {column.header!r}"
                raise UserError(
                    f"table {table.name!r}: {where} is empty: the results hold no finite value of the metric "
                    f"{column.metric!r} there; run the evaluation of this cell again"
                )


def marks(rows: list[Row], position: int, column: Column) -> list[Mark]:
    """Return which of `rows`, compared with each other, are best in a column or tie with the best.

    Best are all that print like the highest mean; a tie lies less than one standard deviation (of the best)
    below it.
    """
    cells = [row.cells[position] if row.compared else Cell(None) for row in rows]
    filled = [cell for cell in cells if not cell.empty]
    if not column.compared or len(filled) < 2:
        return ["" for _ in cells]
    best = max(filled, key=lambda cell: cell.mean or 0.0)
    highest, printed = best.mean or 0.0, format_mean(best, column)
    width = best.std if best.std is not None and math.isfinite(best.std) else 0.0

    def mark(cell: Cell) -> Mark:
        if cell.empty or cell.mean is None:
            return ""
        if format_mean(cell, column) == printed:
            return "best"
        return "tie" if cell.mean > highest - width else ""

    return [mark(cell) for cell in cells]


def format_mean(cell: Cell, column: Column) -> str:
    """Return the mean of a filled cell as printed, with an ASCII minus."""
    assert cell.mean is not None
    return _format_number(cell.mean, column.format)


def format_spread(cell: Cell, column: Column) -> str:
    """Return the standard deviation as printed; empty if the column has none or there is one seed."""
    if not column.spread or cell.empty or cell.std is None or not math.isfinite(cell.std):
        return ""
    return _format_number(cell.std, "percent" if column.format == "change" else column.format)


def _format_number(value: float, form: Format) -> str:
    if form == "percent":
        return f"{100 * value:z.1f}"
    if form == "change":
        return f"{100 * value:+z.1f}"
    if form == "count change":
        return f"{value:+z,.0f}" if float(value).is_integer() else f"{value:+z,.1f}"
    if form == "count":
        return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
    return f"{value:z.3g}"


def _describe(row: Row) -> str:
    return " / ".join([row.group, *row.labels] if row.group else row.labels)
