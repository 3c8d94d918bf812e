"""Table 1 out of the catalogue: every method once, quoted numbers beside those of the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.config.published_encoders import catalogue_facts, read_catalogue
from clusterprobe.report.published import published
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import Row, Table, check


@pytest.fixture(scope="module")
def table() -> Table:
    facts = catalogue_facts(read_catalogue(Path("config/encoders.yaml")))
    return build_table("kmeans-table-1", pd.DataFrame(), catalogue=facts)


def row_of(table: Table, method: str) -> Row:
    (row,) = (row for row in table.rows if row.labels[0] == method)
    return row


def numbers(row: Row) -> list[float | None]:
    return [None if cell.mean is None else round(100 * cell.mean, 1) for cell in row.cells[:4]]


def test_every_method_of_the_paper_is_in_the_catalogue(table: Table) -> None:
    theirs = published("kmeans_ssl")
    theirs = theirs[theirs["table"] == "Table 1"]
    groups = dict(table.groups())
    assert list(groups) == ["in Table 1 of the paper", "further methods of the catalogue"]
    assert len(groups["in Table 1 of the paper"]) == theirs["method"].nunique() == 15
    assert len({row.labels[0] for row in table.rows}) == len(table.rows)
    assert "supervised" not in {row.labels[0] for row in table.rows}
    check(table)


def test_quoted_and_catalogued_numbers_stand_side_by_side(table: Table) -> None:
    """The 71.1 that is quoted for SeLa is not in the catalogue, which has what its own authors print."""
    assert numbers(row_of(table, "SwAV")) == [75.3, 75.3, 78.5, 78.5]
    assert row_of(table, "SwAV").labels[1:] == ("ResNet-50 5x", "README of facebookresearch/swav")
    assert numbers(row_of(table, "MoCo v2")) == [71.1, 71.1, 71.1, 71.1]
    assert numbers(row_of(table, "SeLa")) == [71.1, 68.8, 71.1, 68.8]
    assert numbers(row_of(table, "BigBiGAN")) == [None, None, 61.3, 61.3]
    assert numbers(row_of(table, "DINOv2")) == [None, None, None, 86.5]


def test_what_is_not_there_says_why(table: Table) -> None:
    assert row_of(table, "CPC").cells[4].reason == "no weights by its authors are public"
    assert "half-width" in str(row_of(table, "CMC").cells[4].reason)
    assert row_of(table, "MoCo v2").cells[4].mean == 4
    assert row_of(table, "DINO").cells[0].reason == "a method that Table 1 does not have"


def test_an_empty_catalogue_is_refused() -> None:
    with pytest.raises(UserError, match="catalogue of encoders is empty"):
        build_table("kmeans-table-1", pd.DataFrame())


@pytest.mark.latex
def test_it_compiles_alone(table: Table, compiles_alone: Callable[[Table], bool]) -> None:
    assert compiles_alone(table)
