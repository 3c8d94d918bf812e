from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import render
from clusterprobe.report.tables import Table, check

RUNS: list[dict[str, Any]] = [
    {
        "title": "simclr, digits/test",
        "found": [
            {"truth": "9", "predicted": "3", "images": 12, "share": 0.24},
            {"truth": "1", "predicted": "8", "images": 5, "share": 0.1},
        ],
    },
    {"title": "perfect, digits/test", "found": []},
]


def test_pairs_stand_under_their_run() -> None:
    table = build_table("confusions", pd.DataFrame(), confusions=RUNS)
    check(table)
    (first, rows), (second, without) = table.groups()
    assert (first, second) == ("simclr, digits/test", "perfect, digits/test")
    assert [row.labels for row in rows] == [("9", "3"), ("1", "8")]
    assert [cell.mean for cell in rows[0].cells] == [12, 0.24]
    assert without[0].cells[0].reason == "every image is in a cluster of its class"
    assert "24.0" in render(table).tex


@pytest.mark.latex
def test_it_compiles_alone(compiles_alone: Callable[[Table], bool]) -> None:
    assert compiles_alone(build_table("confusions", pd.DataFrame(), confusions=RUNS))


def test_no_runs_are_an_error() -> None:
    with pytest.raises(UserError, match="nothing to show"):
        build_table("confusions", pd.DataFrame())
