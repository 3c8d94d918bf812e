"""NPID with and without CLD on digits with a long tail, through the workflow to the tables of CLD."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import Project

NPID: dict[str, Any] = {
    "kind": "trained",
    "title": "NPID",
    "seen": "same",
    "objective": {"name": "npid", "options": {"temperature": 0.2, "looks": 2}},
    "architecture": {
        "name": "small-convnet",
        "options": {"channels": 1, "widths": [8, 16], "strides": [2, 2]},
    },
    "head": {"kind": "norm-mlp", "options": {"dimensions": 16}},
    "output": "head:0",
    "preprocessing": {"size": 8, "channels": 1, "mean": [0.3], "std": [0.38]},
    "augmentation": [{"name": "gaussian-noise", "sigma": 0.1}],
    "optimiser": {"name": "adam", "learning_rate": 0.01},
    "epochs": 2,
    "batch_size": 64,
    "snapshots": {"epochs": [0, 2], "images": 40},
}
CLD = NPID | {
    "title": "NPID + CLD",
    "objective": {"name": "cld", "options": {"groups": 8, "base": NPID["objective"]}},
    "head": NPID["head"] | {"count": 2},
}
EXPERIMENT = {
    "name": "tails",
    "datasets": {"tail": {"kind": "digits", "imbalance": 20}},
    "fit": ["tail"],
    "encoders": {
        "npid": NPID,
        "cld": CLD,
        "groups": CLD | {"output": "head:1", "title": "NPID + CLD, group branch"},
    },
    "seeds": 1,
    "clusterings": [{"method": "kmeans", "extras": False}],
    "probes": [{"method": "knn", "options": {"k": 5}}, {"method": "linear", "options": {"epochs": 2}}],
    "report": {
        "tables": ["clustering", "long-tail", "probes", "cld-table-1", "cld-table-2", "cld-table-6"],
        "figures": [
            "acc-by-method",
            "training-curves",
            "similarities",
            "retrieval",
            "snapshots",
            "knn-epochs",
        ],
        "galleries": [],
    },
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = Project.create(tmp_path_factory.mktemp("cld") / "project", EXPERIMENT)
    project.run(warm=True)
    return project


def table(project: Project, name: str) -> pd.DataFrame:
    return pd.read_csv(project.folder / f"reports/tails/tables/{name}.csv").astype(str)


def test_both_branches_come_from_one_training(project: Project) -> None:
    assert len(project.found("data/encoders/*/heads.safetensors")) == 2
    assert len(project.found("data/features/*/tail-*/train/*.npy")) == 3


def test_features_on_the_way_are_of_the_evaluated_images(project: Project) -> None:
    kept = [np.load(file) for file in project.folder.glob("data/encoders/*/found.npz")]
    assert len(kept) == 2
    for found in kept:
        assert found["snapshots"].shape == (2, 40, 16)
        assert found["snapshot_epochs"].tolist() == [0, 2]
        assert found["snapshot_rows"][[0, -1]].tolist() == [0, 358]
        assert found["snapshot_content"] != found["content"]


def test_the_train_split_has_a_long_tail_and_classes_count_the_same(project: Project) -> None:
    results = pd.read_parquet(project.folder / "reports/tails/results.parquet")
    assert set(results.loc[results["split"] == "test", "n"]) == {359}
    scores = results[(results["split"] == "test") & (results["encoder"] == "NPID")].set_index("metric")[
        "value"
    ]
    for name in ("acc", "knn", "linear"):
        assert {f"{name}_{shots}" for shots in ("class_mean", "many", "medium", "few")} <= set(scores.index)
    assert 0 < scores["knn_class_mean"] < 1
    assert scores["knn_many"] > scores["knn_few"]
    assert -0.1 < scores["ami_balanced"] < 1


def test_tables_have_a_row_for_each_branch(project: Project) -> None:
    ours = table(project, "cld-table-6")
    ours = ours[ours.eq("tail").any(axis=1)]
    assert len(ours) == 3
    assert "nan" not in set(ours["nmi_geometric"])
    first = table(project, "cld-table-1")
    assert len(first[first.eq("tail").any(axis=1)]) == 2
    second = table(project, "cld-table-2")
    assert not second.eq("tail").any(axis=None)
    assert len(table(project, "long-tail")) == 3


def heavier(weight: float) -> dict[str, Any]:
    """CLD with a weight of its group loss, and no snapshots."""
    options = {"groups": 8, "weight": weight, "base": NPID["objective"]}
    return CLD | {"objective": {"name": "cld", "options": options}, "snapshots": None}


def test_what_is_chosen_without_labels_is_drawn_beside_probes_on_bursts(tmp_path: Path) -> None:
    variant = {"variant": "weight-4", "encoders": ["cld-weight-4"]}
    experiment = {
        "name": "bursts",
        "datasets": {"bursts": {"kind": "digits", "bursts": 5}},
        "fit": ["bursts"],
        "encoders": {"cld": heavier(1), "cld-weight-4": heavier(4)},
        "seeds": 1,
        "clusterings": [
            {"method": "kmeans", "extras": "criteria"} | words for words in ({"encoders": ["cld"]}, variant)
        ],
        "probes": [
            {"method": "knn", "options": {"k": 5}} | words for words in ({"encoders": ["cld"]}, variant)
        ],
        "criteria": {"names": ["view_agreement"], "augmentation": NPID["augmentation"], "images": 200},
        "report": {"tables": ["clustering", "criteria"], "figures": ["cld-weight"], "galleries": []},
    }
    project = Project.create(tmp_path / "project", experiment)
    project.run(warm=True)
    assert project.found("reports/bursts/figures/cld-weight.p*")
    assert not project.found("data/neighbours/*")
    results = pd.read_parquet(project.folder / "reports/bursts/results.parquet")
    found = {(row.variant, row.metric) for row in results.itertuples()}
    assert {
        (v, m) for v in ("default", "weight-4") for m in ("view_nmi", "view_retrieval", "knn_top1")
    } <= found
    manifest = pd.read_parquet(next(project.folder.glob("data/manifests/bursts-*/train.parquet")))
    assert manifest["id"].str.contains("/frame-").all()
