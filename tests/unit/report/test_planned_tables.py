"""What every config/*.yaml plans to run fills the tables that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from clusterprobe.config.cells import clustered_splits, encoder_columns, encoder_facts, readable_names
from clusterprobe.config.loading import load_config, read_yaml
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.plan import make_plan
from clusterprobe.config.planned import Plan, PlannedDataset, Probe, Run
from clusterprobe.config.targets import tables
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.tables import check
from clusterprobe.store.tables import RESULTS

CLASSES = 10
ELSEWHERE = {"imagenet", "objectnet"}
"""Dozens of encoders, four of which fill all tables in tests/workflow/test_imagenet.py."""
NAMES = sorted(path.stem for path in Path("config").glob("*.yaml") if "name" in read_yaml(path))
QUOTED = {("cld-imagenet-100", f"cld-table-{number}") for number in (3, 4, 5)} | {
    ("digits-all", "scan-table-5")
}
"""Tables whose data sets are none of an experiment's: what the paper has."""
NOT_OF_RESULTS = {"confusions", "criteria", "kmeans-table-1", "scan-table-s1", "scan-table-s2"}

CLUSTERED = ("acc", "acc_val", "acc_majority", "nmi", "nmi_geometric", "ami", "ari", "fm", "chance_acc")
CLUSTERED += ("clusters_used", "largest_share", "entropy", "recall_shared", "recall_unshared")
SHOTS = ("class_mean", "many", "medium", "few")
PROBED = {"knn": ("knn_top1", "knn_top5", "retrieval_top1"), "linear": ("linear_top1", "linear_top5")}


def metrics_of(planned: Run | Probe, dataset: PlannedDataset) -> list[str]:
    """Return the metrics that a run or a probe has on a data set."""
    if dataset.definition.multi_label:
        return ["voc_map"]
    found = list(PROBED[planned.method] if isinstance(planned, Probe) else CLUSTERED)
    found += ["top5"] if planned.method in HEAD_METHODS and isinstance(planned, Run) else []
    if getattr(dataset.definition, "imbalance", None) or dataset.name == "imagenet-lt":
        found += [f"{'acc' if isinstance(planned, Run) else planned.method}_{shots}" for shots in SHOTS]
        found += ["ami_balanced"] if isinstance(planned, Run) else []
    return found


def scored(plan: Plan) -> Iterator[tuple[Run | Probe, PlannedDataset, str, dict[str, Any]]]:
    """Yield every run and probe with each split that it is scored on, and the columns of its own."""
    for run in plan.runs.values():
        k = run.clusters.k or round(CLASSES * (run.clusters.factor or 1))
        projected = run.method not in HEAD_METHODS and run.reducer.name == "pca"
        columns = {"protocol": run.protocol, "k": k, "dims": run.reducer.dims if projected else None}
        columns |= {"reducer": None if run.method in HEAD_METHODS else run.reducer.name}
        for dataset, split in clustered_splits(run):
            if split == dataset.evaluation_split or dataset.evaluation_split is None:
                yield run, dataset, split, columns
    for probe in plan.probes.values():
        yield probe, probe.dataset, probe.dataset.evaluation_split or "train", {"protocol": "clean"}


def planned_results(plan: Plan) -> pd.DataFrame:
    """Return results of the shape that the plan will give, of one seed on evaluated splits; all are 0.5."""
    names, rows = readable_names(plan), []
    for planned, dataset, split, columns in scored(plan):
        fixed = columns | names[planned.id] | {"run": planned.id, "method": planned.method, "value": 0.5}
        fixed |= {"fit_dataset": planned.dataset.name, "dataset": dataset.name, "split": split, "n": 100}
        fixed |= encoder_columns(planned.members[0].features) | {"seed": 0}
        rows += [fixed | {"metric": metric} for metric in metrics_of(planned, dataset)]
    return pd.DataFrame(rows, columns=RESULTS.names)


@pytest.mark.parametrize("experiment", [name for name in NAMES if name not in ELSEWHERE])
def test_every_table_has_rows_of_ours(
    experiment: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = Path("config")
    (tmp_path / "ImageNet_LT_train.txt").touch()  # the plan looks at it
    for variable in re.findall(r"\$(CLUSTERPROBE_\w+)", (folder / "datasets.yaml").read_text("utf-8")):
        monkeypatch.setenv(variable, str(tmp_path))
    plan = make_plan(load_config(read_yaml(folder / f"{experiment}.yaml"), folder))
    results = planned_results(plan)
    published_as = {
        dataset.name: dataset.definition.published_as
        for dataset in plan.datasets.values()
        if dataset.definition.published_as
    }
    for name in tables(plan):
        if name in NOT_OF_RESULTS:
            continue
        table = build_table(
            name,
            results,
            dict.fromkeys(plan.config.fit, CLASSES),
            published_as=published_as,
            encoders=encoder_facts(plan),
        )
        check(table)
        ours = any(cell.mean == 0.5 for row in table.rows for cell in row.cells)
        assert ours != ((experiment, name) in QUOTED), name
