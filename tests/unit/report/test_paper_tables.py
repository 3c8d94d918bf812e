"""Published numbers beside ours: SCAN's tables on results like those of digits-all."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.published import published
from clusterprobe.report.scan_tables import SCAN_TABLES
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import Cell, Row, Table, check

CIFAR = {"published_as": {"cifar10": "CIFAR10"}}
COUNTS = {"digits": 10, "cifar10": 10}
FILLED = ("scan-table-1", "scan-table-3", "scan-table-4")
"""Tables that digits-all fills without any other data."""


def on_cifar(results: pd.DataFrame) -> pd.DataFrame:
    return results.assign(dataset="cifar10", fit_dataset="cifar10")


def cell(table: Table, metric: str, *labels: str) -> Cell:
    (row,) = [row for row in table.rows if row.labels == labels]
    return in_row(table, metric, row)


def in_row(table: Table, metric: str, row: Row) -> Cell:
    return row.cells[[column.metric for column in table.columns].index(metric)]


def printed(table: str, method: str, metric: str, dataset: str = "CIFAR10") -> Any:
    rows = published("scan")
    keys = {"table": table, "method": method, "metric": metric, "dataset": dataset}
    for key, value in keys.items():
        rows = rows[rows[key] == value]
    (number,) = rows.to_dict("records")
    return number


def values(results: pd.DataFrame, metric: str, **keys: str) -> pd.Series[float]:
    for key, value in (keys | {"metric": metric}).items():
        results = results[results[key] == value]
    return results["value"]


@pytest.mark.parametrize("name", FILLED)
def test_digits_fill_every_row(name: str, scan_results: pd.DataFrame) -> None:
    table = build_table(name, scan_results, COUNTS)
    check(table)
    lacking = {cell.reason for row in table.rows for cell in row.cells if cell.empty}
    assert lacking == ({"k-means gives no probabilities to rank clusters by"} if name[-1] == "4" else set())
    assert not any("published" in column.header for column in table.columns)


@pytest.mark.parametrize("name", SCAN_TABLES)
def test_every_table_renders_beside_published_numbers(name: str, scan_results: pd.DataFrame) -> None:
    table = build_table(name, on_cifar(scan_results), COUNTS, **CIFAR)
    check(table)
    keys = [(row.group, row.labels) for row in table.rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("name", "labels", "place"),
    [
        ("scan-table-1", ("SCAN, strong augmentation", "none"), ("Table 1", "SCAN-Loss (RA)", "ACC")),
        ("scan-table-2", ("RotNet", "k-means"), ("Table 2", "RotNet [16] + K-means", "ACC")),
        ("scan-table-3", ("SCAN + self-labelling",), ("Table 3", "SCAN† (after self-labelling)", "NMI")),
        ("scan-table-3", ("IIC",), ("Table 3", "IIC [24]", "ARI")),
        ("scan-table-4", ("SCAN",), ("Table 4", "SCAN* (after clustering)", "Top-5")),
        ("scan-table-5", ("CPC v2", "ResNet-161"), ("Table 5", "CPC v2 [20]", "Top-1")),
    ],
)
def test_published_numbers_are_those_of_the_file(
    name: str, labels: tuple[str, ...], place: tuple[str, str, str], scan_results: pd.DataFrame
) -> None:
    theirs = {"scan-table-4": "ImageNet-50", "scan-table-5": "ImageNet"}.get(name, "CIFAR10")
    table = build_table(name, on_cifar(scan_results), COUNTS, published_as={"cifar10": theirs})
    number = printed(*place, dataset=theirs)
    found = cell(table, f"published_{place[2].lower().replace('-', '')}", *labels)
    assert found.mean == pytest.approx(number["mean"] / 100)
    if number["std"] == number["std"]:
        assert found.std == pytest.approx(number["std"] / 100)


def test_our_numbers_are_means_over_seeds_mapped_on_the_scored_split(scan_results: pd.DataFrame) -> None:
    table = build_table("scan-table-1", on_cifar(scan_results), COUNTS, **CIFAR)
    ours = values(scan_results, "acc_val", method="selflabel", variant="simclr-augmentation")
    found = cell(table, "acc_val", "SCAN, SimCLR augmentation", "SimCLR augmentation")
    assert (found.mean, found.std, found.seeds) == (
        pytest.approx(ours.mean()),
        pytest.approx(ours.std(ddof=1)),
        5,
    )
    assert [column.header for column in table.columns][:3] == ["ACC published", "ACC-val ours", "AMI"]


def test_the_best_run_is_one_run_and_not_compared(scan_results: pd.DataFrame) -> None:
    runs = scan_results[(scan_results["method"] == "selflabel") & (scan_results["variant"] == "default")]
    acc = runs[runs["metric"] == "acc_val"].set_index("seed")["value"]
    ari = (runs["metric"] == "ari") & (runs["seed"] != acc.idxmax())
    scan_results.loc[ari[ari].index, "value"] = 0.999
    table = build_table("scan-table-3", scan_results, COUNTS)
    assert cell(table, "acc_val", "SCAN + self-labelling, best run").mean == acc.max()
    of_run = runs[(runs["metric"] == "ari") & (runs["seed"] == acc.idxmax())]["value"].item()
    assert cell(table, "ari", "SCAN + self-labelling, best run").mean == of_run
    (row,) = [row for row in table.rows if row.labels == ("SCAN + self-labelling, best run",)]
    assert not row.compared


def test_over_clustering_takes_the_majority_map_of_twice_the_clusters(scan_results: pd.DataFrame) -> None:
    table = build_table("scan-table-3", scan_results, COUNTS)
    wanted = values(scan_results, "acc_majority", method="selflabel", variant="over-clustering").mean()
    assert cell(table, "acc_val", "SCAN + self-labelling, 2 × clusters").mean == pytest.approx(wanted)
    scan_results.loc[scan_results["k"] == 20, "k"] = 30
    table = build_table("scan-table-3", scan_results, COUNTS)
    reason = "waits for a run of self-labelling, variant over-clustering"
    assert cell(table, "acc_val", "SCAN + self-labelling, 2 × clusters").reason == reason


def test_unequal_numbers_of_seeds_get_a_column(scan_results: pd.DataFrame) -> None:
    fewer = scan_results[(scan_results["variant"] != "simclr-augmentation") | (scan_results["seed"] < 3)]
    table = build_table("scan-table-1", fewer, COUNTS)
    assert table.label_headers == ("Clustering", "Self-labelling", "Seeds")
    assert [row.labels[-1] for row in table.rows] == ["5", "3", "3", "5", "5", "5"]
    table = build_table("scan-table-3", on_cifar(scan_results[scan_results["seed"] < 2]), COUNTS, **CIFAR)
    assert "Seeds" not in table.label_headers, "the best run is no mean"
    assert "Ours: mean ± standard deviation over 2 seeds." in table.notes


def test_the_supervised_row_and_prior_work_stand_apart(scan_results: pd.DataFrame) -> None:
    groups = dict(build_table("scan-table-3", on_cifar(scan_results), COUNTS, **CIFAR).groups())
    assert list(groups) == [
        "cifar10: prior work, trained and scored on all images of the data set",
        "cifar10, test split",
        "cifar10, test split, pretext simclr",
        "cifar10, test split: trained with labels, the upper row and no clustering",
    ]
    upper = groups["cifar10, test split: trained with labels, the upper row and no clustering"]
    assert [(row.labels, row.compared) for row in upper] == [(("linear classifier",), False)]


def test_rows_that_wait_say_for_what(scan_results: pd.DataFrame) -> None:
    table = build_table("scan-table-2", scan_results, COUNTS)
    check(table)
    assert (
        cell(table, "acc_val", "RotNet", "SCAN").reason == "waits for the pretext RotNet (objective rotation)"
    )
    fewer = scan_results[scan_results["variant"] != "after-simclr-augmentation"]
    table = build_table("scan-table-1", fewer, COUNTS)
    check(table)
    waiting = cell(table, "acc_val", "SCAN, SimCLR augmentation", "strong augmentation")
    assert waiting.reason == "waits for a run of self-labelling, variant after-simclr-augmentation"


def test_a_pretext_that_is_there_waits_no_more_and_others_get_rows(scan_results: pd.DataFrame) -> None:
    simclr = scan_results[scan_results["encoder"] == "simclr"]
    more = [simclr.assign(encoder=name, run=simclr["run"] + name) for name in ("rotation", "byol")]
    table = build_table("scan-table-2", pd.concat([scan_results, *more]), COUNTS)
    assert not cell(table, "acc_val", "RotNet", "SCAN + self-labelling").empty
    assert not cell(table, "acc_val", "byol", "SCAN").empty
    assert [row.labels[0] for row in table.rows].count("byol") == 3


def test_one_pretext_is_followed_the_first_or_the_one_asked_for(scan_results: pd.DataFrame) -> None:
    simclr = scan_results[scan_results["encoder"] == "simclr"]
    other = simclr.assign(encoder="byol", value=simclr["value"] / 2, run=simclr["run"] + "-byol")
    both = pd.concat([scan_results, other])
    first = cell(build_table("scan-table-3", both, COUNTS), "acc_val", "SCAN").mean
    asked = cell(build_table("scan-table-3", both, COUNTS, pretext="byol"), "acc_val", "SCAN").mean
    assert first is not None
    assert asked == pytest.approx(first / 2)


def test_a_missing_value_of_a_run_that_is_there_is_an_error(scan_results: pd.DataFrame) -> None:
    gone = (scan_results["method"] == "scan") & (scan_results["metric"] == "ari")
    with pytest.raises(UserError, match="'digits, test split, pretext simclr / SCAN', column 'ARI' is empty"):
        check(build_table("scan-table-3", scan_results[~gone], COUNTS))


def test_images_without_labels_give_a_reason(scan_results: pd.DataFrame) -> None:
    bare = scan_results[scan_results["metric"].isin(["clusters_used", "largest_share"])]
    table = build_table("scan-table-1", bare, COUNTS)
    check(table)
    found = cell(table, "acc_val", "SCAN, strong augmentation", "none")
    assert found.reason == "the images carry no labels"


def test_runs_that_cannot_be_told_apart_are_an_error(scan_results: pd.DataFrame) -> None:
    scan = scan_results[scan_results["method"] == "kmeans"]
    twice = pd.concat([scan_results, scan.assign(dims=8, run=scan["run"] + "-8")])
    with pytest.raises(UserError, match=r"k-means on pretext features.* differ in dims"):
        build_table("scan-table-1", twice, COUNTS)


def test_few_labels_are_shown_as_published_until_there_is_imagenet(scan_results: pd.DataFrame) -> None:
    table = build_table("scan-table-5", scan_results, COUNTS)
    check(table)
    assert [column.header for column in table.columns] == ["Top-1 published", "Top-5 published"]
    assert "Ours: waits for a run on ImageNet." in table.notes
    assert cell(table, "published_top1", "Pseudo-Label", "ResNet-50").reason == "not reported in the paper"
    table = build_table("scan-table-5", on_cifar(scan_results), COUNTS, published_as={"cifar10": "ImageNet"})
    wanted = values(scan_results, "top5", method="scan", variant="default").mean()
    assert cell(table, "top5", "SCAN", "ResNet-50").mean == pytest.approx(wanted)
    assert not any("waits" in note for note in table.notes)


def test_nothing_to_show_is_an_error(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match=r"'scan-table-1' has nothing to show.* kmeans, scan, selflabel"):
        build_table("scan-table-1", results[results["method"] == "spherical-kmeans"])
