"""The table of deviations: pairs of one seed, differences from the clean run, order and reasons."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.attribution import CHANGING, CLEAN, TOGETHER
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import render
from clusterprobe.report.tables import Table, check


def deviating(results: pd.DataFrame) -> pd.DataFrame:
    """Beside the clean k-means a raw transfer set, which halves ACC abroad, and all deviations together."""
    clean = results[(results["method"] == "kmeans") & (results["variant"] == "default")]
    away = clean["dataset"] == "digits-shifted"
    halved = clean["value"].where(~(away & clean["metric"].isin(["acc", "acc_val"])), clean["value"] / 2)
    few = halved.where(clean["metric"] != "clusters_used", 3.0)
    raw = clean.assign(protocol="published", variant="raw-transfer-features", value=halved, run="raw")
    every = clean.assign(protocol="published", variant="default", value=few, run="all")
    return pd.concat([results, every, raw], ignore_index=True)


@pytest.fixture
def table(results: pd.DataFrame) -> Table:
    return build_table("attribution", deviating(results))


def test_every_encoder_has_its_clean_row_first_and_all_deviations_last(table: Table) -> None:
    groups = dict(table.groups())
    assert list(groups) == [
        "digits, test split, k-means, 10 clusters",
        "digits → digits-shifted, test split, k-means, 10 clusters",
    ]
    for rows in groups.values():
        assert [row.labels[1] for row in rows] == [CLEAN, "raw-transfer-features", TOGETHER] * 4
    check(table)


def test_differences_are_means_over_pairs_of_one_seed(table: Table, results: pd.DataFrame) -> None:
    acc, change = (
        next(number for number, column in enumerate(table.columns) if column.metric == metric)
        for metric in ("acc", "change_acc")
    )
    rows = dict(table.groups())["digits → digits-shifted, test split, k-means, 10 clusters"]
    clean, raw, _ = rows[:3]
    chosen = results[(results["method"] == "kmeans") & (results["variant"] == "default")]
    chosen = chosen[(chosen["dataset"] == "digits-shifted") & (chosen["encoder"] == clean.labels[0])]
    expected = -chosen[chosen["metric"] == "acc"]["value"] / 2
    assert raw.cells[change].mean == pytest.approx(expected.mean())
    assert raw.cells[change].std == pytest.approx(expected.std())
    assert raw.cells[acc].mean == pytest.approx(clean.cells[acc].mean / 2)
    assert clean.cells[change].reason == "the run that the others are held against"
    home = dict(table.groups())["digits, test split, k-means, 10 clusters"]
    assert home[1].cells[change].mean == 0


def test_signs_are_printed(table: Table) -> None:
    rendered = render(table).csv
    clusters = next(line for line in rendered.splitlines() if TOGETHER in line)
    assert "-7" in clusters
    assert len(CHANGING) == sum(column.header.startswith("Δ") for column in table.columns)


@pytest.mark.parametrize("protocol", ["clean", "published"])
def test_runs_that_differ_in_dimensions_are_never_pooled(protocol: str, results: pd.DataFrame) -> None:
    rows = deviating(results)
    chosen = (rows["variant"] == "default") & (rows["method"] == "kmeans") & (rows["protocol"] == protocol)
    other = rows[chosen].assign(dims=8, run="other")
    with pytest.raises(UserError, match=r"several runs fit the row .* differ in dims: give all but one"):
        build_table("attribution", pd.concat([rows, other], ignore_index=True))


@pytest.mark.latex
def test_it_compiles_alone(table: Table, compiles_alone: Callable[[Table], bool]) -> None:
    assert compiles_alone(table)


def test_without_a_pair_there_is_no_table(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="needs runs of `protocol: published`"):
        build_table("attribution", results)
