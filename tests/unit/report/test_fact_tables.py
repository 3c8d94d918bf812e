from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.published import published
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import check

NOTHING = pd.DataFrame()
FACTS: list[dict[str, Any]] = [
    {"name": "Digits", "dataset": "digits", "splits": {"train": 1437, "test": 360}, "classes": 10, "side": 8},
    {
        "name": "My CIFAR",
        "dataset": "c10",
        "splits": {"train": 49000, "val": 10000},
        "classes": 10,
        "side": None,
    },
]


def test_data_sets_without_published_numbers_have_our_columns() -> None:
    table = build_table("scan-table-s1", NOTHING, facts=FACTS[:1])
    check(table)
    assert [column.header for column in table.columns] == [
        "Classes",
        "Train images",
        "Scored images",
        "Image side",
    ]
    assert [cell.mean for cell in table.rows[0].cells] == [10, 1437, 360, 8]


def test_published_counts_stand_beside_ours() -> None:
    table = build_table("scan-table-s1", NOTHING, facts=FACTS, published_as={"c10": "CIFAR10"})
    check(table)
    rows = published("scan")
    rows = rows[(rows["table"] == "Table S1") & (rows["dataset"] == "CIFAR10")].set_index("metric")
    digits, cifar = table.rows
    means = [cell.mean for cell in cifar.cells]
    assert means[:6:2] == list(rows["mean"][["classes", "train images", "val images"]])
    assert means[1:6:2] == [10, 49000, 10000]
    assert cifar.cells[7].reason == "the images differ in size"
    assert {cell.reason for cell in digits.cells[::2]} == {"a data set that the paper does not have"}


def test_no_data_sets_are_an_error() -> None:
    with pytest.raises(UserError, match="given no data sets"):
        build_table("scan-table-s1", NOTHING)


def test_operations_come_with_their_interval() -> None:
    operations = {"identity": (0.0, 0.0), "rotate": (-30.0, 30.0), "twist": (0.05, 0.5)}
    table = build_table("scan-table-s2", NOTHING, operations=operations)
    check(table)
    assert [row.labels for row in table.rows] == [
        ("identity", "none", "none"),
        ("rotate", "angle, degrees", "−30 to 30"),
        ("twist", "value", "0.05 to 0.5"),
    ]


def test_without_a_list_the_operations_are_those_of_the_code() -> None:
    steps = pytest.importorskip("clusterprobe.images.strong_steps")
    table = build_table("scan-table-s2", NOTHING)
    assert [row.labels[0] for row in table.rows] == list(steps.OPERATIONS)
    assert len(table.rows) == 14
    assert "value" not in {row.labels[1] for row in table.rows}, "name the parameter in fact_tables"
