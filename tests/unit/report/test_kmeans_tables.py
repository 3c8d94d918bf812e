"""Tables 2 to 4 of the benchmark: published numbers, the same protocol here, and clean runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from clusterprobe.config.catalogue import read_yaml
from clusterprobe.config.errors import UserError
from clusterprobe.report.benchmark import BenchmarkTable
from clusterprobe.report.kmeans_tables import KMEANS_TABLES
from clusterprobe.report.published import published
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import render
from clusterprobe.report.tables import Cell, Table

CLASSES = {"imagenet": 1000, "objectnet-fitted": 313}


def built(name: str, results: pd.DataFrame) -> Table:
    names = results.attrs["published_as"]
    return build_table(name, results, CLASSES, published_as=names, encoders=results.attrs["encoders"])


def cell(table: Table, row: str, metric: str) -> Cell:
    [found] = [each for each in table.rows if each.labels == (row,)]
    return found.cells[[column.metric for column in table.columns].index(metric)]


def mean(results: pd.DataFrame, metric: str, **keys: str | int) -> float:
    for key, value in (keys | {"metric": metric}).items():
        results = results[results[key] == value]
    assert len(results) == 2
    return float(results["value"].mean())


@pytest.mark.parametrize("table", KMEANS_TABLES.values(), ids=KMEANS_TABLES)
def test_every_published_number_has_its_cell(table: BenchmarkTable) -> None:
    numbers = published("kmeans_ssl")
    numbers = numbers[numbers["table"] == table.table]
    plain = {"".join(name.split()) for name in numbers["method"]}
    assert {"".join((entry.published or "").split()) for entry in table.entries} == plain
    metrics = {score.published for score in table.scores if score.place is None}
    assert metrics | ({table.linear} if table.linear else set()) == set(numbers["metric"])


def test_every_row_stands_for_an_encoder_of_the_catalogue() -> None:
    titles = {entry["title"] for entry in read_yaml(Path("config/encoders.yaml")).values()}
    for table in KMEANS_TABLES.values():
        for entry in table.entries:
            assert set(entry.names("clean")) | set(entry.names("published")) <= titles


@pytest.mark.parametrize(
    ("experiment", "names"),
    [
        ("imagenet", ["kmeans-table-2", "kmeans-table-3"]),
        ("imagenet-published", ["kmeans-table-2", "kmeans-table-3"]),
        ("objectnet", ["kmeans-table-4"]),
    ],
)
def test_the_experiments_have_every_row_of_their_tables(experiment: str, names: list[str]) -> None:
    catalogue = read_yaml(Path("config/encoders.yaml"))
    values = read_yaml(Path(f"config/{experiment}.yaml"))
    titles = {catalogue[name]["title"] for name in values["encoders"]}
    assert set(names) <= set(values["report"]["tables"])
    for entry in (entry for name in names for entry in KMEANS_TABLES[name].entries):
        assert set(entry.names("clean")) <= titles
        factors = [factor for group in values["clusterings"] for factor in group.get("factors", [1])]
        assert entry.factor in factors


@pytest.mark.parametrize("name", KMEANS_TABLES)
def test_every_table_renders_filled(name: str, benchmark_results: pd.DataFrame) -> None:
    table = built(name, benchmark_results)
    rendered = render(table)
    assert all(rendered.__dict__.values())
    columns = zip(*(row.cells for row in table.rows), strict=True)
    for column, cells in zip(table.columns, columns, strict=True):
        assert any(not each.empty for each in cells), column.header
    assert all(each.reason for row in table.rows for each in row.cells if each.empty)


@pytest.mark.latex
@pytest.mark.parametrize("name", KMEANS_TABLES)
def test_every_table_compiles_alone(
    name: str, benchmark_results: pd.DataFrame, compiles_alone: Callable[[Table], bool]
) -> None:
    assert compiles_alone(built(name, benchmark_results))


@pytest.mark.parametrize("name", KMEANS_TABLES)
def test_all_components_are_a_number_in_real_results(name: str, benchmark_results: pd.DataFrame) -> None:
    """Behind a PCA `dims` is the width of the features: tables are the same as without a number."""
    counted = benchmark_results.assign(dims=benchmark_results["dims"].fillna(2048))
    counted.attrs = benchmark_results.attrs
    assert render(built(name, counted)) == render(built(name, benchmark_results))


def test_published_numbers_stand_beside_runs_of_their_protocol(benchmark_results: pd.DataFrame) -> None:
    table = built("kmeans-table-2", benchmark_results)
    headers = [column.header for column in table.columns]
    assert headers[:5] == ["Linear quoted", "Linear clean", "ACC published", "ACC as published", "ACC clean"]
    row = "SwAV (ResNet-50)"
    assert cell(table, row, "published_acc").mean == pytest.approx(0.1504)
    home = {"encoder": row, "dataset": "imagenet", "variant": "default"}
    assert cell(table, row, "acc").mean == pytest.approx(
        mean(benchmark_results, "acc", protocol="clean", **home)
    )
    theirs = mean(benchmark_results, "acc", protocol="published", **home)
    assert cell(table, row, "acc_as_published").mean == pytest.approx(theirs)
    infomin = cell(table, "InfoMin (ResNet-50)", "acc_as_published")
    assert infomin.reason == "waits for a run on InfoMin (ResNet-50) with `protocol: published`"


def test_the_row_of_moco_is_of_the_file_that_the_paper_used(benchmark_results: pd.DataFrame) -> None:
    """Clean: the weights of 200 epochs, those of 800 have a row of their own. As published: the entry of 800
    epochs, whose deviation takes the others."""
    table = built("kmeans-table-2", benchmark_results)
    clean = {"dataset": "imagenet", "protocol": "clean", "variant": "default"}
    used, printed = "MoCo v2 (ResNet-50, PyContrast)", "MoCo v2 (ResNet-50, 800 epochs)"
    assert cell(table, "MoCo v2 (ResNet-50)", "acc").mean == pytest.approx(
        mean(benchmark_results, "acc", encoder=used, **clean)
    )
    assert not cell(table, "MoCo v2 (ResNet-50)", "acc_as_published").empty
    assert cell(table, printed, "acc").mean == pytest.approx(
        mean(benchmark_results, "acc", encoder=printed, **clean)
    )
    assert cell(table, printed, "published_acc").reason == "a row that the paper does not have"


def test_more_clusters_are_a_row_of_their_own(benchmark_results: pd.DataFrame) -> None:
    table = built("kmeans-table-2", benchmark_results)
    row = "SimCLRv2 (ResNet-152, SK, 1.5× over.)"
    over = {"encoder": "SimCLRv2 (ResNet-152, SK)", "dataset": "imagenet", "k": 1500}
    assert cell(table, row, "acc").mean == pytest.approx(mean(benchmark_results, "acc", **over))
    assert (
        cell(table, row, "acc_as_published").reason
        == "waits for a run with 1.5 × as many clusters as classes"
    )


def test_linear_accuracies_are_quoted_or_measured(benchmark_results: pd.DataFrame) -> None:
    table = built("kmeans-table-2", benchmark_results)
    assert cell(table, "MoCo v2 (ResNet-50)", "published_linear").mean == pytest.approx(0.711)
    assert cell(table, "DINO (ViT-S/16)", "published_linear").mean == pytest.approx(0.77)
    assert cell(table, "InfoMin (ResNet-50)", "linear_top1").mean == pytest.approx(0.66)
    assert (
        cell(table, "DINO (ViT-S/16)", "linear_top1").reason == "waits for a linear probe on these features"
    )
    assert cell(table, "SCAN (Van Gansbeke 2020)", "acc").reason == "quoted by the paper, no k-means"


def test_supervised_rows_are_no_rivals(benchmark_results: pd.DataFrame) -> None:
    groups = {
        row.labels[0]: (row.group.split(": ")[1], row.compared)
        for row in built("kmeans-table-2", benchmark_results).rows
    }
    assert groups["ResNet-152 (supervised)"] == ("trained with labels", False)
    assert groups["supervised of ours"] == ("not in the paper, trained with labels", False)
    assert groups["DINO (ViT-S/16)"] == ("not in the paper", True)


def test_transfer_is_between_the_data_sets_of_the_paper(benchmark_results: pd.DataFrame) -> None:
    table = built("kmeans-table-3", benchmark_results)
    assert table.rows[0].group.startswith("imagenet → objectnet, test split")
    away = {"encoder": "SwAV (ResNet-50)", "dataset": "objectnet", "protocol": "clean"}
    assert cell(table, "SwAV (ResNet-50)", "acc").mean == pytest.approx(
        mean(benchmark_results, "acc", **away)
    )
    assert cell(table, "BigBiGAN (RevNet-50 4×)", "published_acc_val").mean == pytest.approx(0.0492)


def test_recall_stands_beside_the_three_numbers_in_the_text(benchmark_results: pd.DataFrame) -> None:
    table = built("kmeans-table-4", benchmark_results)
    assert cell(table, "IG-ResNeXt-101 32×48d (supervised)", "published_recall_shared").mean == pytest.approx(
        0.4136
    )
    assert cell(
        table, "IG-ResNeXt-101 32×48d (supervised)", "published_recall_unshared"
    ).mean == pytest.approx(0.1581)
    assert cell(table, "InfoMin (ResNeXt-152)", "published_recall_unshared").mean == pytest.approx(0.0653)
    assert not cell(table, "SwAV (ResNet-50)", "recall_shared").empty


def test_on_another_set_our_numbers_stand_alone(benchmark_results: pd.DataFrame) -> None:
    benchmark_results.attrs["published_as"] = {}
    table = built("kmeans-table-2", benchmark_results)
    assert not any("published_" in column.metric for column in table.columns[1:])
    assert "SCAN (Van Gansbeke 2020)" not in {row.labels[0] for row in table.rows}
    assert len(table.rows) == 9


def test_clean_runs_alone_are_no_reproduction(benchmark_results: pd.DataFrame) -> None:
    clean = benchmark_results[benchmark_results["protocol"] == "clean"]
    clean.attrs = benchmark_results.attrs
    table = built("kmeans-table-2", clean)
    assert not any("as_published" in column.metric for column in table.columns)
    assert any("no reproduction" in note for note in table.notes)


def test_nothing_to_show_and_two_runs_in_one_row_are_errors(benchmark_results: pd.DataFrame) -> None:
    home = benchmark_results[benchmark_results["dataset"] == "objectnet-fitted"]
    home.attrs = benchmark_results.attrs
    with pytest.raises(UserError, match="'kmeans-table-3' has nothing to show"):
        built("kmeans-table-3", home)
    two = pd.concat([benchmark_results, benchmark_results.assign(reducer="none")])
    two.attrs = benchmark_results.attrs
    with pytest.raises(UserError, match=r"several runs fit the row .* they differ in reducer"):
        built("kmeans-table-2", two)
