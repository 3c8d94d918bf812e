from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.cld_tables import CLD_TABLES
from clusterprobe.report.paper_probes import ProbeTable
from clusterprobe.report.published import published
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import Table, check
from clusterprobe.store.tables import RESULTS

PUBLISHED_AS = {"cifar10": "CIFAR10", "cifar10-lt": "CIFAR10-LT", "imagenet": "ImageNet"}


def row(
    encoder: str, metric: str, value: float, dataset: str = "cifar10", **more: object
) -> dict[str, object]:
    method = metric.partition("_")[0].replace("retrieval", "knn")
    found: dict[str, object] = dict.fromkeys(RESULTS.names)
    found |= {"dataset": dataset, "fit_dataset": dataset, "split": "test", "method": method, "metric": metric}
    found |= {"seed": 0, "encoder": encoder, "variant": "default", "value": value, "n": 9}
    return found | {"protocol": "clean", "run": f"probe-{encoder}-{metric}"} | more


def results(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=RESULTS.names)


def cell(table: Table, label: str, header: str, group: str):
    (found,) = [each for each in table.rows if each.group == group and each.labels[0] == label]
    return found.cells[[column.header for column in table.columns].index(header)]


def numbers(recipe: ProbeTable) -> pd.DataFrame:
    rows = published("cld")
    rows = rows[(rows["table"] == recipe.table) & ~rows["metric"].str.startswith("delta")]
    return rows[rows["dataset"].isin(recipe.datasets or set(rows["dataset"]))].drop_duplicates()


@pytest.mark.parametrize("name", CLD_TABLES)
def test_every_published_number_but_differences_stands_in_its_table(name):
    rows = numbers(CLD_TABLES[name])
    table = build_table(name, results(), published_as=PUBLISHED_AS)
    check(table)
    at = [place for place, column in enumerate(table.columns) if column.metric.startswith("published")]
    shown = [each.cells[place].mean for each in table.rows for place in at if not each.cells[place].empty]
    assert sorted(shown) == pytest.approx(sorted(rows["mean"] / 100))
    assert {each.group for each in table.rows} == set(rows["dataset"])


def test_all_numbers_of_the_paper_are_in_some_table():
    tables = set().union(*(set(numbers(recipe).index) for recipe in CLD_TABLES.values()))
    rows = published("cld")
    rows = rows[rows["table"].str.startswith("Table") & ~rows["metric"].str.startswith("delta")]
    assert tables == set(rows.drop_duplicates().index)


@pytest.mark.parametrize("name", CLD_TABLES)
def test_every_row_of_ours_is_one_of_the_paper(name):
    assert CLD_TABLES[name].ours.keys() <= set(numbers(CLD_TABLES[name])["method"])


def test_our_probes_stand_beside_the_published_numbers():
    rows = [
        row("NPID", "knn_top1", 0.81),
        row("NPID", "knn_top1", 0.83, seed=1),
        row("MoCo", "linear_top1", 0.5),
    ]
    table = build_table("cld-table-2", results(*rows), published_as=PUBLISHED_AS)
    check(table)
    assert cell(table, "NPID", "kNN ours", "CIFAR10").mean == pytest.approx(0.82)
    assert cell(table, "NPID", "kNN published", "CIFAR10").mean == pytest.approx(0.808)
    assert cell(table, "MoCo + CLD", "kNN ours", "CIFAR10").reason == "waits for a kNN probe on CIFAR10"
    assert cell(table, "NPID", "kNN ours", "STL10").reason == "waits for a run on STL10"
    assert cell(table, "Exemplar", "kNN ours", "CIFAR10").reason == "prior work, as published"


def test_long_tails_stand_in_table_1_and_other_sets_in_table_2():
    rows = [
        row("NPID", "knn_top1", 0.9, "digits"),
        row("NPID", "knn_top1", 0.7, "digits-lt"),
        row("NPID", "knn_class_mean", 0.6, "digits-lt"),
    ]
    tails, others = (build_table(f"cld-table-{number}", results(*rows)) for number in (1, 2))
    check(tails)
    check(others)
    assert cell(tails, "NPID", "kNN, mean over classes ours", "digits-lt").mean == pytest.approx(0.6)
    assert "digits" not in {each.group for each in tails.rows}
    assert cell(others, "NPID", "kNN ours", "digits").mean == pytest.approx(0.9)
    assert "digits-lt" not in {each.group for each in others.rows}


def test_mutual_information_is_that_of_k_means_by_the_geometric_mean():
    kmeans = {"method": "kmeans", "run": "kmeans-1x", "k": 10}
    rows = [
        row("NPID + CLD, group branch", "nmi_geometric", 0.7, **kmeans),
        row("NPID + CLD, group branch", "nmi", 0.1, **kmeans),
        row("NPID + CLD, group branch", "retrieval_top1", 0.8),
    ]
    table = build_table("cld-table-6", results(*rows), published_as=PUBLISHED_AS)
    check(table)
    assert cell(table, "CLD fG", "NMI (geometric) ours", "CIFAR10").mean == pytest.approx(0.7)
    assert cell(table, "CLD fG", "Retrieval ours", "CIFAR10").mean == pytest.approx(0.8)
    assert cell(table, "CLD fG", "kNN ours", "CIFAR10").reason == "waits for a kNN probe on CIFAR10"
    assert cell(table, "NPID fI", "NMI (geometric) ours", "CIFAR10").reason == "waits for k-means on CIFAR10"


def test_of_k_means_those_with_as_many_clusters_as_classes_and_no_deviations_count():
    runs = [(k, "clean", value) for k, value in ((5, 0.1), (10, 0.2), (20, 0.3))] + [(10, "published", 0.4)]
    rows = [
        row("NPID", "nmi_geometric", value, method="kmeans", k=k, protocol=protocol, run=f"{protocol}-{k}")
        for k, protocol, value in runs
    ]
    table = build_table("cld-table-6", results(*rows), {"cifar10": 10}, published_as=PUBLISHED_AS)
    assert cell(table, "NPID fI", "NMI (geometric) ours", "CIFAR10").mean == pytest.approx(0.2)
    with pytest.raises(UserError, match=r"several runs fit the row 'NPID fI' \(NMI .* they differ in k: "):
        build_table("cld-table-6", results(*rows), published_as=PUBLISHED_AS)


def test_two_probes_that_nothing_tells_apart_are_never_pooled_or_picked():
    rows = [row("NPID", "knn_top1", value, run=f"probe-{value}") for value in (0.1, 0.2)]
    with pytest.raises(UserError, match=r"the row 'NPID' \(kNN\) on cifar10, they differ in their options"):
        build_table("cld-table-2", results(*rows), published_as=PUBLISHED_AS)


def test_detection_is_quoted_and_says_so():
    table = build_table("cld-table-5", results(row("NPID + CLD", "knn_top1", 0.9)))
    assert [column.header for column in table.columns] == ["AP50 published", "AP published"]
    assert "Quoted: training of detectors is no part of this pipeline." in table.notes


def test_few_labels_are_compared_by_their_share():
    variants = [{"variant": "labels-1"}, {"variant": "labels-10"}, {}]
    rows = [
        row("MoCo v2", "linear_top1", value, "imagenet", run=f"probe-{value}", **variant)
        for value, variant in zip((0.2, 0.4, 0.6), variants, strict=True)
    ]
    table = build_table("cld-table-4", results(*rows), published_as=PUBLISHED_AS)
    assert cell(table, "MoCo v2", "1 % of the labels ours", "ImageNet").mean == pytest.approx(0.2)
    assert cell(table, "MoCo v2", "10 % of the labels ours", "ImageNet").mean == pytest.approx(0.4)
    assert cell(table, "MoCo v2", "1 % of the labels published", "ImageNet").mean == pytest.approx(0.387)


@pytest.fixture
def long_tail() -> Table:
    kmeans = {"method": "kmeans", "run": "kmeans-1x", "k": 10, "reducer": "pca", "protocol": "clean"}
    scores = {"acc": 0.9, "acc_class_mean": 0.8, "acc_medium": 0.9, "acc_few": 0.5, "ami": 0.7, "ari": 0.6}
    scores |= {"clusters_used": 10.0, "largest_share": 0.3, "chance_acc": 0.2}
    rows = [row("NPID", name, value, "tail", **kmeans) for name, value in scores.items()]
    rows += [row("NPID", "acc", 0.9, "even", **kmeans)]
    return build_table("long-tail", results(*rows))


def test_clusterings_of_long_tails_have_a_table_and_classes_that_are_not_there_say_so(long_tail: Table):
    check(long_tail)
    (only,) = long_tail.rows
    headers = [column.metric for column in long_tail.columns]
    assert only.cells[headers.index("acc_few")].mean == pytest.approx(0.5)
    assert only.cells[headers.index("acc_many")].reason == "no class of this size"
    assert only.cells[headers.index("ami_balanced")].reason == "a class has one image only"


@pytest.mark.latex
def test_the_table_of_long_tails_compiles_alone(long_tail: Table, compiles_alone: Callable[[Table], bool]):
    assert compiles_alone(long_tail)
