from __future__ import annotations

import math

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.summary import CELL, cells, missing, summarise, tidy


def test_mean_and_sample_deviation_over_seeds() -> None:
    frame = pd.DataFrame(
        {
            "encoder": "a",
            "metric": "acc",
            "encoder_seed": [0, 1, 2],
            "seed": [0, 1, 2],
            "value": [0.1, 0.2, 0.6],
        }
    )
    row = summarise(frame, ["encoder"]).iloc[0]
    assert row["mean"] == pytest.approx(0.3)
    assert row["std"] == pytest.approx(math.sqrt((0.04 + 0.01 + 0.09) / 2))
    assert row["n_seeds"] == 3


def test_one_seed_has_no_deviation() -> None:
    frame = pd.DataFrame({"encoder": ["a"], "metric": ["acc"], "seed": [0], "value": [0.5]})
    row = summarise(frame, ["encoder"]).iloc[0]
    assert math.isnan(row["std"])
    assert row["n_seeds"] == 1


def test_null_keys_form_a_cell_of_their_own() -> None:
    frame = pd.DataFrame({"dims": [None, 8.0], "metric": "acc", "seed": 0, "value": [0.5, 0.7]})
    assert summarise(frame, ["dims"])["mean"].tolist() == [0.5, 0.7]


def test_two_runs_in_one_cell_are_an_error(results: pd.DataFrame) -> None:
    twice = pd.concat([results, results.head(1).assign(run="other-run", value=0.9)])
    with pytest.raises(UserError, match="other-run"):
        summarise(tidy(twice), CELL)


def test_missing_names_the_cell_and_the_metric() -> None:
    frame = pd.DataFrame(
        {
            "encoder": ["a", "a", "b", "b"],
            "metric": ["acc", "ami", "acc", "ami"],
            "seed": 0,
            "value": [0.1, 0.2, 0.3, math.nan],
        }
    )
    summary = summarise(frame, ["encoder"])
    assert missing(summary, ["encoder"], ["acc", "ami"]) == [({"encoder": "b"}, "ami")]
    assert missing(summary, ["encoder"], ["acc"]) == []


def test_tidy_restores_whole_numbers(results: pd.DataFrame) -> None:
    loose = results.astype({"k": "float64"})
    assert tidy(loose)["k"].dropna().unique().tolist() == [10, 15, 20]
    assert str(tidy(loose)["k"].dtype) == "Int64"


def test_tidy_names_missing_columns(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="head, protocol"):
        tidy(results.drop(columns=["head", "protocol"]))


def test_a_rank_that_differs_between_seeds_names_no_cell(results: pd.DataFrame) -> None:
    """All components of a run with `dims: null`: units that never fire leave the seeds different numbers."""
    default = results[results["encoder"].eq("SimCLR") & results["variant"].eq("default")]
    all_of_them = default.assign(dims=default["seed"].map({0: 245, 1: 240, 2: 246}))
    every_seed_alike = default.assign(dims=64, run="other-" + default["run"], variant="dims")
    rows = tidy(pd.concat([all_of_them, every_seed_alike], ignore_index=True))
    assert rows.loc[rows["variant"] == "default", "dims"].isna().all()
    assert rows.loc[rows["variant"] == "dims", "dims"].eq(64).all()
    assert set(summarise(rows, CELL)["n_seeds"]) == {3}


def test_cells_hold_mean_and_deviation_of_each_metric(results: pd.DataFrame) -> None:
    rows = tidy(results)
    rows = rows[rows["metric"].isin(["acc", "ari"]) & rows["dims"].isna() & (rows["k"] == 10)]
    table = cells(rows)
    assert {"acc", "acc_std", "ari", "ari_std"} <= set(table.columns)
    assert len(table) == 4 * 3 * 2
