from __future__ import annotations

import pandas as pd
import pytest

from clusterprobe.report.paper_probes import ProbeTable
from clusterprobe.report.published import published
from clusterprobe.report.sela_tables import SELA_TABLES
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import Table, check
from clusterprobe.store.tables import RESULTS

PUBLISHED_AS = {"imagenet": "ImageNet", "places": "Places", "voc": "VOC2007 classification"}


def probe(encoder: str, value: float, variant: str = "default", **more: object) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(RESULTS.names)
    row |= {"dataset": "imagenet", "split": "test", "method": "linear", "metric": "linear_top1", "seed": 0}
    row |= {"encoder": encoder, "variant": variant, "value": value, "n": 9}
    row |= {"run": f"probe-{encoder}-{variant}"}
    return row | more


def results(*rows: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=RESULTS.names)


def cell(table: Table, label: str, header: str, group: str = "ILSVRC-12"):
    (row,) = [row for row in table.rows if row.group == group and label in row.labels]
    return row.cells[[column.header for column in table.columns].index(header)]


@pytest.mark.parametrize("name", SELA_TABLES)
def test_every_published_number_stands_in_its_table(name):
    recipe: ProbeTable = SELA_TABLES[name]
    rows = published("sela")
    rows = rows[rows["table"] == recipe.table]
    table = build_table(name, results(), published_as=PUBLISHED_AS)
    check(table)
    shown = [each.mean for row in table.rows for each in row.cells[::2] if not each.empty]
    assert sorted(shown) == pytest.approx(sorted(rows["mean"].dropna() / 100))
    assert {row.group for row in table.rows} == set(rows["dataset"])


@pytest.mark.parametrize("name", SELA_TABLES)
def test_every_row_of_ours_is_one_of_the_paper(name):
    recipe: ProbeTable = SELA_TABLES[name]
    rows = published("sela")
    rows = rows[rows["table"] == recipe.table]
    for wanted in recipe.ours:
        method, _, note = wanted.partition("|")
        assert ((rows["method"] == method) & rows["note"].str.startswith(note)).any(), wanted
    assert {reading.published for reading in recipe.readings} >= set(rows["metric"])


def test_rows_without_runs_wait_and_prior_work_does_not():
    table = build_table("sela-table-3", results(), published_as={})
    assert cell(table, "Self-Label* [3k × 10]", "c3 ours").reason == "waits for a run on ILSVRC-12"
    assert cell(table, "BiGAN", "c3 ours").reason == "prior work, as published"
    assert "Ours: waits for a run on ILSVRC-12." in table.notes


def test_our_probes_stand_beside_the_published_numbers():
    table = build_table(
        "sela-table-1",
        results(
            probe("SeLa 3k × 10", 0.41, "c3"),
            probe("SeLa 3k × 10", 0.45, "c3", seed=1),
            probe("SeLa 3k × 10, labels learnt anew", 0.40, "c3"),
            probe("SeLa 3k × 1, ResNet-50", 0.49),
        ),
        published_as=PUBLISHED_AS,
    )
    check(table)
    ours = cell(table, "row (e)", "c3 ours")
    assert (ours.mean, ours.seeds) == (pytest.approx(0.43), 2)
    assert cell(table, "row (e)", "c3 published").mean == pytest.approx(0.445)
    assert cell(table, "row (f)", "c3 ours").mean == pytest.approx(0.40)
    assert cell(table, "row (g)", "Top-1 ours").mean == pytest.approx(0.49)
    assert cell(table, "row (e)", "c4 ours").reason == "waits for a linear probe on ILSVRC-12"
    assert cell(table, "row (e)", "Top-1 ours").reason == "neither is it in the paper"


def test_one_crop_and_ten_crops_are_rows_of_their_own():
    table = build_table(
        "sela-table-5",
        results(
            probe("random", 0.19, "c1"),
            probe("random", 0.18, "c1", seed=1),
            probe("random", 0.16, "c1-one-crop"),
        ),
        published_as=PUBLISHED_AS,
    )
    check(table)
    assert cell(table, "Random (10-crop)", "c1 ours").mean == pytest.approx(0.185)
    assert cell(table, "Random (1-crop)", "c1 ours").mean == pytest.approx(0.16)
    assert cell(table, "Random", "c1 ours").reason == "prior work, as published"


def test_voc_has_our_probes_on_classification_and_quotes_the_rest():
    row = probe("SeLa 3k × 10", 0.71, dataset="voc", metric="voc_map")
    table = build_table("sela-table-2", results(row, probe("sela", 0.9)), published_as=PUBLISHED_AS)
    check(table)
    theirs, method = published("sela"), "Self-Label* [3k × 10]"
    assert len(table.rows) == len(theirs[theirs["table"] == "Table 2"]), "none of other data sets"
    group = "VOC2007 classification"
    assert cell(table, method, "mAP ours", group).mean == pytest.approx(0.71)
    assert cell(table, method, "mAP published", group).mean == pytest.approx(0.749)
    assert cell(table, method, "mIU ours", group).reason == "neither is it in the paper"
    assert cell(table, "Random", "mAP ours", group).reason == "waits for a linear probe on " + group
    for other, header in (("VOC2007 detection", "mAP ours"), ("VOC2012 segmentation", "mIU ours")):
        assert "is not evaluated here" in cell(table, method, header, other).reason
    assert any("fine-tuned" in note for note in table.notes)


def test_probes_on_other_data_sets_have_rows_of_their_own():
    table = build_table("sela-table-4", results(probe("sela", 0.97, dataset="digits")))
    check(table)
    (row,) = [row for row in table.rows if row.group == "digits"]
    assert row.labels == ("Self-Label [3k × 1]", "–", "–")
    assert [each.mean for each in row.cells] == [None, pytest.approx(0.97), None, None]


def test_the_method_linear_is_no_probe():
    row = probe("sela", 0.97, dataset="digits", run="linear-1x-12345678")
    table = build_table("sela-table-4", results(row))
    assert not [row for row in table.rows if row.group == "digits"]
