from __future__ import annotations

import pandas as pd
import pytest

from clusterprobe.report.selection import (
    abroad,
    at_home,
    contrasts,
    default_variant,
    sweep,
    unlabelled,
)
from clusterprobe.report.summary import tidy


def test_home_and_abroad_share_out_the_clusterings(results: pd.DataFrame) -> None:
    rows = tidy(results)
    home, away = at_home(rows), abroad(rows)
    assert set(home["dataset"]) == {"digits"}
    assert set(away["dataset"]) == {"digits-shifted"}
    assert len(home) + len(away) == rows["method"].notna().sum()


def test_the_test_split_is_reported_where_there_is_one(results: pd.DataFrame) -> None:
    rows = tidy(pd.concat([results, results.assign(split="train"), results.assign(split="val")]))
    assert set(at_home(rows)["split"]) == {"test"}
    assert set(at_home(rows[rows["split"] != "test"])["split"]) == {"val"}
    assert set(at_home(rows[rows["split"] == "train"])["split"]) == {"train"}


def test_classes_pick_the_matching_number_of_clusters(results: pd.DataFrame) -> None:
    rows = tidy(results.assign(variant="default"))
    assert set(default_variant(at_home(rows))["k"]) == {10, 15, 20}
    assert set(default_variant(at_home(rows), {"digits": 15})["k"]) == {15}


def test_a_sweep_joins_the_default_point_and_drops_single_points(results: pd.DataFrame) -> None:
    rows = sweep(at_home(tidy(results)), "k")
    assert set(rows["k"]) == {10, 15, 20}
    assert set(rows["method"]) == {"kmeans"}
    assert rows["dims"].isna().all()


def test_the_default_variant_wins_at_a_point_held_twice(results: pd.DataFrame) -> None:
    rows = at_home(tidy(results))
    other = rows[(rows["k"] == 10) & rows["dims"].isna()].assign(variant="other", value=0.0)
    both = sweep(pd.concat([other, rows]), "k")
    assert set(both.loc[both["k"] == 10, "variant"]) == {"default"}


def test_contrasts_need_two_variants_of_one_cell(results: pd.DataFrame) -> None:
    rows = at_home(tidy(results))
    assert contrasts(rows).empty
    scan = rows[rows["method"] == "scan"]
    assert set(contrasts(pd.concat([rows, scan.assign(variant="longer")]))["method"]) == {"scan"}


@pytest.mark.parametrize(
    ("absent", "reason"),
    [
        (
            {"acc", "acc_val", "acc_majority", "ami", "ari", "nmi", "chance_acc"},
            "the images carry no labels",
        ),
        (
            {"acc", "acc_majority", "chance_acc"},
            "the images that clusters were fitted on carry no labels",
        ),
        ({"acc"}, None),
    ],
)
def test_only_missing_labels_excuse_missing_metrics(
    results: pd.DataFrame, absent: set[str], reason: str | None
) -> None:
    rows = tidy(results)
    found = unlabelled(rows[~rows["metric"].isin(absent)])
    assert found.get(("digits", "digits", "acc")) == reason
    assert ("digits", "digits", "clusters_used") not in found


def test_an_oracle_is_no_point_of_a_sweep(scan_results: pd.DataFrame) -> None:
    rows = at_home(tidy(scan_results))
    assert set(sweep(rows, "k")["variant"]) == {"default", "over-clustering"}
    oracle = rows[rows["variant"] == "oracle-neighbours"].assign(k=15)
    assert 15 not in set(sweep(pd.concat([rows, oracle]), "k")["k"])
