from __future__ import annotations

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.published import PAPERS, published, published_cell

COLUMNS = ["paper", "table", "dataset", "protocol", "method", "backbone"]
COLUMNS += ["metric", "mean", "std", "spread", "unit", "runs", "note"]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_paper_has_numbers_in_the_same_columns(paper: str) -> None:
    rows = published(paper)
    assert list(rows.columns) == COLUMNS
    assert rows["mean"].notna().sum() > 100
    assert rows["mean"].dtype == "float64"
    assert rows["unit"].ne("").all()
    assert rows.loc[rows["std"].notna(), "spread"].isin(["std", "ste"]).all()


def test_a_printed_number_comes_back_as_printed() -> None:
    rows = published("scan")
    first = rows[(rows["table"] == "Table 1") & (rows["method"] == "SCAN-Loss (SimCLR)")].iloc[0]
    assert (first["dataset"], first["mean"], first["std"], first["runs"]) == ("CIFAR10", 78.7, 1.7, 10)


def test_an_unknown_paper_is_named_with_the_choices() -> None:
    with pytest.raises(UserError, match="did you mean 'scan'"):
        published("scann")


def test_percent_become_the_fraction_that_a_person_would_write() -> None:
    rows = pd.DataFrame([{"metric": "top1", "unit": "percent", "mean": 42.7, "std": 0.3}])
    cell = published_cell(rows, "top1", "a row")
    assert (cell.mean, cell.std) == (0.427, 0.003)
