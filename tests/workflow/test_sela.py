"""SeLa, and another network that learns the labels it found, through the workflow to tables and figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import PREPROCESSING, SIMCLR, Project, experiment, write_pictures

SELA: dict[str, Any] = {
    "kind": "trained",
    "seen": "same",
    "objective": {"name": "sela", "options": {"relabellings": 4, "looks": 2, "power": 10}},
    "architecture": SIMCLR["architecture"],
    "head": {"kind": "linear", "count": 2},
    "preprocessing": PREPROCESSING,
    "augmentation": [{"name": "gaussian-noise", "sigma": 0.1}],
    "optimiser": {"name": "adam", "learning_rate": 0.01},
    "epochs": 3,
    "batch_size": 16,
}
WIDER = {"name": "small-convnet", "options": {**SIMCLR["architecture"]["options"], "widths": [6, 20]}}
RELABELLED = SELA | {
    "start": "sela",
    "objective": {"name": "relabelled", "options": {"rotation": 1}},
    "architecture": WIDER,
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("sela") / "project"
    values = experiment(
        name="labels",
        encoders={"sela": SELA, "relabelled": RELABELLED},
        seeds=1,
        clusterings=[
            {"method": "sela", "encoders": ["sela"]},
            {"method": "relabelled", "encoders": ["relabelled"]},
        ],
        probes=[{"method": "linear", "encoders": ["sela"], "options": {"epochs": 2}}],
        report={
            "tables": ["clustering", "sela-table-1", "sela-table-4"],
            "figures": [
                *("sela-label-entropy", "sela-agreement", "first-filters"),
                *("sela-low-entropy", "sela-random"),
            ],
            "galleries": [],
        },
    )
    project = Project.create(folder, values)
    write_pictures(folder / "images")
    project.run(warm=True)
    return project


def test_both_are_scored(project: Project) -> None:
    results = pd.read_parquet(project.folder / "reports/labels/results.parquet")
    scores = results[(results["metric"] == "acc") & (results["split"] == "test")]
    assert sorted(scores["method"]) == ["relabelled", "sela"]
    assert set(scores["encoder"]) == {"sela"}, "tables call it by where the labels come from"


def test_labels_of_all_heads_lie_beside_the_network_and_only_sela_has_any(project: Project) -> None:
    found = {
        path.parent.name.rsplit("-", 1)[0]: np.load(path)
        for path in project.found("data/encoders/*/found.npz")
    }
    assert found["sela"]["labels"].shape[1] == 2
    assert found["sela"]["history"].shape == (4, len(found["sela"]["labels"]))
    assert "labels" not in found["relabelled"].files


def test_our_probe_stands_in_the_tables_of_the_paper(project: Project) -> None:
    table = pd.read_csv(project.folder / "reports/labels/tables/sela-table-4.csv")
    ours = table[table.astype(str).eq("pictures").any(axis=1)]
    assert len(ours) == 1
    assert 0 <= ours["linear_top1"].item() <= 100
