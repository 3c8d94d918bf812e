"""What config/digits-all.yaml runs fills the tables of SeLa and MMDC that it asks for, and their figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from clusterprobe.config.cells import readable_names
from clusterprobe.config.figure_cells import (
    cluster_examples_cell,
    filters_cell,
    found_labels,
    variant_histories,
)
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.plan import Plan, make_plan
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import check
from clusterprobe.store.tables import RESULTS

TABLES = [
    *(f"mmdc-table-{number}" for number in (1, 3, 4, 5)),
    *(f"sela-table-{number}" for number in (1, 3, 4, 6, 7)),
]
CLUSTERED = ("acc", "acc_val", "nmi", "ami", "ari", "clusters_used", "largest_share", "chance_acc")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(load_config(read_yaml(Path("config/digits-all.yaml")), Path("config")))


@pytest.fixture(scope="module")
def results(plan: Plan) -> pd.DataFrame:
    """Results of the shape that the plan will give; all values are 0.5."""
    rows = []
    names = readable_names(plan)
    for found, metrics in ((plan.runs, CLUSTERED), (plan.probes, ("linear_top1", "linear_top5"))):
        for planned in found.values():
            fixed = {"fit_dataset": planned.dataset.name, "dataset": planned.dataset.name, "split": "test"}
            fixed |= {
                "method": planned.method,
                "protocol": "clean",
                "run": planned.id,
                "value": 0.5,
                "n": 360,
            }
            fixed |= {"k": round(10 * (planned.clusters.factor or 1))} if planned.id in plan.runs else {}
            seeds = [seed for member in planned.members for seed in member.seeds]
            for metric in metrics if planned.method != "knn" else ("knn_top1", "retrieval_top1"):
                rows += [fixed | names[planned.id] | {"metric": metric, "seed": seed} for seed in seeds]
    return pd.DataFrame(rows, columns=RESULTS.names)


def test_it_asks_for_every_table_that_the_digits_can_fill(plan: Plan) -> None:
    assert set(TABLES) <= set(plan.config.report.tables or [])


@pytest.mark.parametrize("name", TABLES)
def test_tables_have_filled_rows_on_the_digits(name: str, results: pd.DataFrame) -> None:
    table = build_table(name, results, {"digits": 10})
    check(table)
    own = [row for row in table.rows if str(row.group).startswith("digits")]
    assert own
    for row in own:
        assert any(not cell.empty for cell in row.cells), row.labels
    assert any(cell.mean == 0.5 and cell.seeds >= 3 for row in own for cell in row.cells)


def test_figures_of_sela_and_mmdc_have_what_they_show(plan: Plan) -> None:
    shown = {"sela-label-entropy", "sela-agreement", "sela-low-entropy", "sela-random", "first-filters"}
    shown |= {"mmdc-sigma", "mmdc-dimensions", "mmdc-training"}
    assert shown <= set(plan.config.report.figures or [])
    assert len(found_labels(plan, "sela-agreement")) == 5
    assert {entry["encoder"] for entry in variant_histories(plan, "mmdc")} >= {"default", "kmeans-from-start"}
    assert filters_cell(plan)["network"]
    for choice in ("low-entropy", "random"):
        cell = cluster_examples_cell(plan, f"sela-{choice}")
        assert (cell["method"], cell["choice"], cell["seed"]) == ("sela", choice, 0)
        assert cell["train_location"].endswith("train.source.json")
