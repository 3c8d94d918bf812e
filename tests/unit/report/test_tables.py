from __future__ import annotations

import math

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.tables import Cell, Column, Row, Table, check, format_mean, format_spread, marks

ACC = Column("AMI", "ami", spread=True, compared=True)


def rows_of(*cells: Cell) -> list[Row]:
    return [Row((str(number),), (cell,)) for number, cell in enumerate(cells)]


def test_best_and_ties_within_one_deviation_of_the_best() -> None:
    cells = [Cell(0.80, 0.05), Cell(0.90, 0.02), Cell(0.885, 0.001), Cell(0.87, 0.5)]
    assert marks(rows_of(*cells), 0, ACC) == ["", "best", "tie", ""]


def test_all_that_print_like_the_best_are_best() -> None:
    assert marks(rows_of(Cell(0.90001), Cell(0.90004), Cell(0.8)), 0, ACC) == ["best", "best", ""]


def test_without_deviation_nothing_ties() -> None:
    assert marks(rows_of(Cell(0.9, math.nan), Cell(0.8999 - 0.001, math.nan)), 0, ACC) == ["best", ""]


def test_a_row_alone_and_an_uncompared_column_have_no_best() -> None:
    assert marks(rows_of(Cell(0.9)), 0, ACC) == [""]
    assert marks(rows_of(Cell(0.9), Cell(0.1)), 0, Column("Chance", "chance_acc")) == ["", ""]


def test_empty_cells_take_no_part() -> None:
    assert marks(rows_of(Cell(None, reason="none"), Cell(0.1), Cell(0.2)), 0, ACC) == ["", "", "best"]


def test_a_row_that_is_not_compared_takes_no_part() -> None:
    best, other = rows_of(Cell(0.9, 0.5), Cell(0.8, 0.01))
    apart = Row(best.labels, best.cells, compared=False)
    third = Row(("third",), (Cell(0.7, 0.01),))
    assert marks([apart, other, third], 0, ACC) == ["", "best", ""]


def test_negative_values_can_be_best() -> None:
    assert marks(rows_of(Cell(-0.02), Cell(-0.01)), 0, ACC) == ["", "best"]


@pytest.mark.parametrize(
    ("value", "form", "printed"),
    [
        (0.8534, "percent", "85.3"),
        (1.0, "percent", "100.0"),
        (-0.0001, "percent", "0.0"),
        (-0.012, "percent", "-1.2"),
        (10.0, "count", "10"),
        (1281167.0, "count", "1,281,167"),
        (9.8, "count", "9.8"),
        (2.3026, "number", "2.3"),
    ],
)
def test_numbers_as_printed(value: float, form: str, printed: str) -> None:
    assert format_mean(Cell(value), Column("x", "x", form)) == printed  # type: ignore[arg-type]


def test_spread_is_left_out_for_one_seed_and_where_it_is_not_asked_for() -> None:
    assert format_spread(Cell(0.5, 0.0123), ACC) == "1.2"
    assert format_spread(Cell(0.5, math.nan), ACC) == ""
    assert format_spread(Cell(0.5, 0.0123), Column("Chance", "chance_acc")) == ""


@pytest.mark.parametrize("cell", [Cell(None), Cell(math.nan), Cell(math.inf)])
def test_an_empty_cell_is_named_by_row_and_column(cell: Cell) -> None:
    table = Table("t", "T", ("Encoder",), (ACC,), (Row(("SimCLR",), (cell,), "digits"),))
    with pytest.raises(UserError, match=r"row 'digits / SimCLR', column 'AMI' is empty"):
        check(table)


def test_a_reason_excuses_an_empty_cell() -> None:
    check(Table("t", "T", ("Encoder",), (ACC,), (Row(("SimCLR",), (Cell(None, reason="no labels"),)),)))


def test_a_table_without_rows_is_an_error() -> None:
    with pytest.raises(UserError, match="no rows"):
        check(Table("t", "T", ("Encoder",), (ACC,), ()))


def test_an_accuracy_never_stands_alone() -> None:
    with pytest.raises(ValueError, match="without clusters_used, largest_share, chance_acc"):
        Table("t", "T", ("Encoder",), (Column("ACC", "acc"), ACC), ())
