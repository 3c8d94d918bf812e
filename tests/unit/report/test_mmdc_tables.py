"""The tables of MMDC: published numbers beside ours, on results like those of digits-all."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from clusterprobe.report.mmdc_tables import MMDC_TABLES
from clusterprobe.report.paper_tables import PaperTable
from clusterprobe.report.published import published
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import Cell, Table, check

CLASSES = {"digits": 10, "images": 10}
DATASETS = ("MNIST", "CIFAR-10", "CIFAR-100 (20 superclasses)", "STL-10", "ImageNet-10", "Tiny-ImageNet")


def built(name: str, results: pd.DataFrame, dataset: str | None = None) -> Table:
    """A table of the digits, or of the same results under the name of a published set."""
    if dataset:
        results = results.assign(dataset="images", fit_dataset="images")
    return build_table(name, results, CLASSES, published_as={"images": dataset} if dataset else {})


def cell(table: Table, metric: str, *labels: str) -> Cell:
    (row,) = [row for row in table.rows if row.labels == labels]
    return row.cells[[column.metric for column in table.columns].index(metric)]


def printed(table: str, **keys: str) -> Any:
    rows = published("mmdc")
    for key, value in ({"table": table, "dataset": "CIFAR-10"} | keys).items():
        rows = rows[rows[key] == value]
    (number,) = rows.to_dict("records")
    return number


def ours(results: pd.DataFrame, method: str, variant: str, metric: str, encoder: str = "MMDC") -> float:
    rows = results[results["encoder"] == encoder]
    rows = rows[(rows["method"] == method) & (rows["variant"] == variant) & (rows["metric"] == metric)]
    return float(rows["value"].mean())


@pytest.mark.parametrize("table", MMDC_TABLES.values(), ids=MMDC_TABLES)
def test_every_published_number_of_a_table_has_its_cell(table: PaperTable) -> None:
    rows = published("mmdc")
    rows = rows[rows["table"] == table.table]
    asked = {
        (line.published, measure.published + line.suffix, measure.protocol)
        for line in table.lines
        if line.published
        for measure in table.measures
    }
    protocols = {measure.protocol for measure in table.measures} - {None}
    found = {
        (str(row["method"]), str(row["metric"]), str(row["protocol"]) if protocols else None)
        for row in rows.to_dict("records")
    }
    assert found == asked


@pytest.mark.parametrize("dataset", [None, *DATASETS])
@pytest.mark.parametrize("name", MMDC_TABLES)
def test_every_table_has_a_value_or_a_reason_everywhere(
    name: str, dataset: str | None, mmdc_results: pd.DataFrame
) -> None:
    table = built(name, mmdc_results, dataset)
    check(table)
    keys = [(row.group, row.labels) for row in table.rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("name", MMDC_TABLES)
def test_digits_fill_every_row(name: str, mmdc_results: pd.DataFrame) -> None:
    table = built(name, mmdc_results)
    assert not [row.labels for row in table.rows for cell in row.cells if cell.empty]


@pytest.mark.parametrize(
    ("name", "labels", "metric", "place"),
    [
        (
            "mmdc-table-1",
            ("MMDC",),
            "published_acc",
            {"table": "Table I", "method": "MMDC", "metric": "ACC"},
        ),
        (
            "mmdc-table-1",
            ("MMDC, best run",),
            "published_nmi",
            {"table": "Table I", "method": "MMDC", "metric": "NMI (best run)"},
        ),
        (
            "mmdc-table-1",
            ("DCCM (2019)",),
            "published_acc",
            {"table": "Table I", "method": "DCCM (2019)", "metric": "ACC"},
        ),
        (
            "mmdc-table-3",
            ("yes", "no"),
            "published_nmi",
            {"table": "Table III", "method": "MMDC: Sobel only", "metric": "NMI"},
        ),
        (
            "mmdc-table-4",
            ("NAT + RotNet",),
            "published_kmeans_acc",
            {
                "table": "Table IV",
                "method": "NAT+RotNet",
                "metric": "ACC",
                "protocol": "k-means on penultimate features",
            },
        ),
        (
            "mmdc-table-4",
            ("MMDC",),
            "published_linear_acc",
            {
                "table": "Table IV",
                "method": "MMDC",
                "metric": "ACC",
                "protocol": "linear classifier, 100 epochs SGD",
            },
        ),
        (
            "mmdc-table-5",
            ("after",),
            "published_acc",
            {"table": "Table V", "method": "MMDC after refinement", "metric": "ACC"},
        ),
    ],
)
def test_published_numbers_are_those_of_the_file(
    name: str, labels: tuple[str, ...], metric: str, place: dict[str, str], mmdc_results: pd.DataFrame
) -> None:
    number = printed(**place)
    shown = cell(built(name, mmdc_results, "CIFAR-10"), metric, *labels)
    assert shown.mean == pytest.approx(number["mean"])
    assert shown.std == pytest.approx(number["std"], nan_ok=True)


def test_superclasses_of_cifar_100_are_found_under_both_of_their_names(mmdc_results: pd.DataFrame) -> None:
    table = built("mmdc-table-4", mmdc_results, "CIFAR-100 (20 superclasses)")
    assert cell(table, "published_kmeans_acc", "NAT").mean == pytest.approx(0.095)


@pytest.mark.parametrize(
    ("dataset", "labels", "variant"),
    [
        (None, ("no", "no"), "default"),
        (None, ("no", "yes"), "rotation"),
        (None, ("yes", "no"), "sobel"),
        ("CIFAR-10", ("no", "no"), "no-rotation"),
        ("CIFAR-10", ("no", "yes"), "default"),
        ("CIFAR-10", ("yes", "yes"), "sobel"),
    ],
)
def test_on_photographs_rotation_is_the_default(
    dataset: str | None, labels: tuple[str, ...], variant: str, mmdc_results: pd.DataFrame
) -> None:
    shown = cell(built("mmdc-table-3", mmdc_results, dataset), "acc_val", *labels)
    assert shown.mean == pytest.approx(ours(mmdc_results, "mmdc", variant, "acc_val"))


def test_the_main_row_is_refined_on_mnist_alone(mmdc_results: pd.DataFrame) -> None:
    for dataset, variant in {"MNIST": "refined", "STL-10": "default"}.items():
        shown = cell(built("mmdc-table-1", mmdc_results, dataset), "acc_val", "MMDC")
        assert shown.mean == pytest.approx(ours(mmdc_results, "mmdc", variant, "acc_val"))


def test_features_are_clustered_by_kmeans_and_read_by_a_linear_probe(mmdc_results: pd.DataFrame) -> None:
    table = built("mmdc-table-4", mmdc_results)
    for label, encoder in {"MMDC": "MMDC", "NAT": "NAT", "NAT + RotNet": "NAT-RotNet"}.items():
        probe = mmdc_results[(mmdc_results["metric"] == "linear_top1") & (mmdc_results["encoder"] == encoder)]
        assert cell(table, "linear_top1", label).mean == pytest.approx(probe["value"].mean())
        expected = ours(mmdc_results, "kmeans", "default", "nmi", encoder)
        assert cell(table, "nmi", label).mean == pytest.approx(expected)


def test_a_row_without_runs_says_what_it_waits_for(mmdc_results: pd.DataFrame) -> None:
    few = mmdc_results[(mmdc_results["variant"] == "default") & (mmdc_results["metric"] != "linear_top1")]
    few = few[few["encoder"] == "MMDC"]
    waiting = cell(built("mmdc-table-5", few), "acc_val", "after")
    assert waiting.reason == "waits for a run of MMDC, variant refined"
    features = built("mmdc-table-4", few)
    assert cell(features, "linear_top1", "MMDC").reason == "waits for a linear probe on these features"
    assert cell(features, "acc_val", "NAT").reason == "waits for a run of k-means"


def test_the_spread_of_published_numbers_is_said_to_be_another_one(mmdc_results: pd.DataFrame) -> None:
    for name in MMDC_TABLES:
        assert any("standard errors" in note for note in built(name, mmdc_results, "CIFAR-10").notes)
        assert not any("standard errors" in note for note in built(name, mmdc_results).notes)
