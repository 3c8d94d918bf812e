from __future__ import annotations

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.clustering_tables import RECIPES
from clusterprobe.report.names import SHOTS
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import check


def with_variants(results: pd.DataFrame) -> pd.DataFrame:
    """As though every default run had another variant, on classes of different sizes."""
    default = results[results["variant"] == "default"]
    results = pd.concat([results, default.assign(variant="whitened")])
    acc = results[results["metric"] == "acc"]
    uneven = [acc.assign(metric=f"acc_{shots}") for shots in SHOTS]
    return pd.concat([results, *uneven, acc.assign(metric="ami_balanced")])


@pytest.mark.parametrize("name", RECIPES)
def test_every_table_has_no_empty_cell(name: str, results: pd.DataFrame, classes: dict[str, int]) -> None:
    table = build_table(name, with_variants(results), classes)
    check(table)
    assert len(table.rows) > 1
    assert all(not cell.empty for row in table.rows for cell in row.cells)


@pytest.mark.parametrize("name", RECIPES)
def test_one_missing_value_makes_every_table_fail(
    name: str, results: pd.DataFrame, classes: dict[str, int]
) -> None:
    results = with_variants(results)
    gone = (results["encoder"] == "SimCLR") & (results["metric"] == "ari")
    with pytest.raises(UserError, match=r"SimCLR.*column 'ARI' is empty"):
        check(build_table(name, results[~gone], classes))


def test_values_are_means_over_seeds_of_the_right_cell(
    results: pd.DataFrame, classes: dict[str, int]
) -> None:
    table = build_table("clustering", results, classes)
    wanted = results[
        (results["encoder"] == "SimCLR")
        & (results["method"] == "scan")
        & (results["dataset"] == "digits")
        & (results["metric"] == "acc")
    ]["value"]
    row = next(row for row in table.rows if row.labels == ("SimCLR", "SCAN"))
    assert row.cells[0].mean == pytest.approx(wanted.mean())
    assert row.cells[0].std == pytest.approx(wanted.std(ddof=1))
    assert row.group == "digits, test split, 10 clusters"
    assert len(table.rows) == 12


def test_transfer_names_both_data_sets_and_the_mapping(
    results: pd.DataFrame, classes: dict[str, int]
) -> None:
    table = build_table("transfer", results, classes)
    assert {row.group for row in table.rows} == {"digits → digits-shifted, test split, 10 clusters"}
    assert [column.header for column in table.columns][:2] == ["ACC-tr", "ACC-val"]


def test_overclustering_groups_by_number_of_clusters(results: pd.DataFrame, classes: dict[str, int]) -> None:
    headings = [heading for heading, _ in build_table("overclustering", results, classes).groups()]
    assert headings == [
        "digits, test split, 10 clusters (1 × classes)",
        "digits, test split, 15 clusters (1.5 × classes)",
        "digits, test split, 20 clusters (2 × classes)",
    ]


def test_what_differs_between_like_rows_gets_a_column(results: pd.DataFrame) -> None:
    table = build_table("clustering", results.assign(variant="default"))
    assert table.label_headers == ("Encoder", "Method", "Dimensions", "Clusters")
    assert len({row.labels for row in table.rows}) == len(table.rows)


def test_what_differs_between_encoders_only_gets_none(results: pd.DataFrame, classes: dict[str, int]) -> None:
    wider = results["encoder"].str.startswith("SimCLR") & (results["variant"] == "default")
    results.loc[wider, "dims"] = 128
    assert build_table("clustering", results, classes).label_headers == ("Encoder", "Method")


def test_unequal_numbers_of_seeds_get_a_column(results: pd.DataFrame, classes: dict[str, int]) -> None:
    fewer = results[~((results["encoder"] == "pixels") & (results["seed"] == 2))]
    table = build_table("clustering", fewer, classes)
    assert table.label_headers[-1] == "Seeds"
    assert {row.labels[0]: row.labels[-1] for row in table.rows}["pixels"] == "2"


def test_images_without_labels_have_the_columns_that_need_none(
    results: pd.DataFrame, classes: dict[str, int]
) -> None:
    bare = results[results["metric"].isin(["clusters_used", "largest_share", "entropy"])]
    table = build_table("clustering", bare, classes)
    check(table)
    assert [column.metric for column in table.columns] == ["clusters_used", "largest_share", "entropy"]
    assert all(not cell.empty for row in table.rows for cell in row.cells)
    assert "classes" not in table.title
    assert not any("Chance" in note for note in table.notes)


def test_one_of_two_sets_without_labels_gets_a_reason(results: pd.DataFrame, classes: dict[str, int]) -> None:
    home = results[results["dataset"] == "digits"]
    bare = home[home["metric"].isin(["clusters_used", "largest_share", "entropy"])]
    both = pd.concat([home, bare.assign(fit_dataset="photos", dataset="photos")])
    table = build_table("clustering", both, classes)
    check(table)
    row = next(row for row in table.rows if row.group.startswith("photos"))
    reasons = {column.metric: cell.reason for column, cell in zip(table.columns, row.cells, strict=True)}
    assert reasons["acc"] == reasons["ami"] == reasons["chance_acc"] == "the images carry no labels"
    assert reasons["clusters_used"] is None


def test_without_a_run_of_as_many_clusters_as_classes_other_numbers_are_shown(results: pd.DataFrame) -> None:
    table = build_table("clustering", results, {"digits": 7})
    check(table)
    assert table.title == "Clustering with other numbers of clusters than classes"
    assert {"digits, test split, 10 clusters (1.43 × classes)"} <= {row.group for row in table.rows}


def test_one_seed_is_said_in_a_note(one_seed: pd.DataFrame, classes: dict[str, int]) -> None:
    assert "One seed: no standard deviation." in build_table("clustering", one_seed, classes).notes[0]


def test_nothing_to_show_and_unknown_names_are_errors(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="nothing to show"):
        build_table("transfer", results[results["dataset"] == "digits"])
    with pytest.raises(UserError, match="did you mean 'clustering'"):
        build_table("clusterings", results)


def test_a_supervised_row_stands_apart_and_outdoes_none(
    scan_results: pd.DataFrame, classes: dict[str, int]
) -> None:
    first = pd.concat([scan_results[scan_results["method"] == "linear"], scan_results]).drop_duplicates()
    groups = build_table("clustering", first, classes).groups()
    assert [heading for heading, _ in groups] == [
        "digits, test split, 10 clusters",
        "digits, test split, trained with labels: the upper row, no clustering",
    ]
    assert [row.labels for row in groups[1][1]] == [("supervised", "linear classifier (labels)")]


def test_an_oracle_is_named_and_outdoes_none(scan_results: pd.DataFrame, classes: dict[str, int]) -> None:
    table = build_table("variants", scan_results, classes)
    oracles = [row for row in table.rows if "oracle" in row.labels[2]]
    assert [row.compared for row in oracles] == [False]
    assert all(row.compared for row in table.rows if "oracle" not in row.labels[2])
    assert any(note.startswith("Oracle: labels were used") for note in table.notes)
    plain = scan_results[scan_results["variant"] != "oracle-neighbours"]
    assert not any("Oracle" in note for note in build_table("variants", plain, classes).notes)


def test_heads_that_differ_from_seed_to_seed_are_one_row(
    scan_results: pd.DataFrame, classes: dict[str, int]
) -> None:
    chosen = scan_results[(scan_results["method"] == "scan") & (scan_results["variant"] == "default")]
    assert chosen["head"].nunique() > 1
    table = build_table("clustering", scan_results, classes)
    (row,) = [row for row in table.rows if row.labels == ("simclr", "SCAN")]
    assert row.cells[0].seeds == 5
    assert row.cells[0].mean == pytest.approx(chosen.loc[chosen["metric"] == "acc", "value"].mean())


def test_heads_of_one_seed_are_rows_of_their_own(scan_results: pd.DataFrame, classes: dict[str, int]) -> None:
    scan = scan_results[(scan_results["method"] == "scan") & (scan_results["variant"] == "default")]
    both = pd.concat([scan.assign(head=0), scan.assign(head=1)])
    assert [row.labels[-1] for row in build_table("clustering", both, classes).rows] == ["0", "1"]
