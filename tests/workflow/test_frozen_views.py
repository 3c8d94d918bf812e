"""SCAN with a frozen encoder on cached views of the features, through the workflow to a figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from project import EXPERIMENT, PREPROCESSING, SIMCLR, Project, experiment, write_pictures

FROZEN: dict[str, Any] = {
    "kind": "trained",
    "seen": "same",
    "start": "simclr",
    "neighbours": {"k": 5},
    "cached_views": 3,
    "objective": {"name": "scan", "options": {"frozen": True, "selection": "evaluation"}},
    "architecture": SIMCLR["architecture"],
    "head": {"kind": "linear", "count": 2},
    "preprocessing": PREPROCESSING,
    "augmentation": [{"name": "gaussian-noise", "sigma": 0.1}],
    "optimiser": {"name": "sgd", "learning_rate": 0.5},
    "epochs": 3,
    "batch_size": 16,
}
FRESH = {key: value for key, value in FROZEN.items() if key != "cached_views"}


def values(**changes: Any) -> dict[str, Any]:
    """One seed of SCAN on cached views and on fresh augmentations of the tiny pictures."""
    encoders = {"simclr": EXPERIMENT["encoders"]["simclr"], "frozen": FROZEN | changes, "fresh": FRESH}
    return experiment(
        name="frozen",
        encoders=encoders,
        seeds=1,
        clusterings=[
            {"method": "scan", "encoders": ["frozen"]},
            {"method": "scan", "variant": "fresh", "encoders": ["fresh"]},
        ],
        report={"tables": ["clustering"], "figures": ["prototypes-scan"], "galleries": []},
    )


pytestmark = pytest.mark.slow  # a run of a hundred jobs


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    folder = tmp_path_factory.mktemp("frozen") / "project"
    project = Project.create(folder, values())
    write_pictures(folder / "images")
    project.run(warm=True)
    return project


def read_log(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def rows(project: Project, split: str) -> int:
    found: int = json.loads(project.one(f"data/manifests/*/{split}.json").read_text())["rows"]
    return found


def test_views_are_shards_like_any_features(project: Project) -> None:
    views = project.found("data/features/simclr-3-views-*/*/train/*.npy")
    shapes = [np.load(shard).shape for shard in views]
    assert [width for _, width in shapes] == [12, 12]
    assert sum(count for count, _ in shapes) == 3 * rows(project, "train")
    records = [json.loads(shard.with_suffix(".json").read_text()) for shard in views]
    assert {record["total_rows"] for record in records} == {3 * rows(project, "train")}
    assert not project.found("data/features/simclr-3-views-*/*/test/*")


def test_heads_on_cached_and_fresh_views_stand_in_one_table(project: Project) -> None:
    results = pd.read_parquet(project.folder / "reports/frozen/results.parquet")
    scores = results[(results["metric"] == "acc") & (results["split"] == "test")]
    assert sorted(scores["variant"]) == ["default", "fresh"]
    assert set(scores["n"]) == {rows(project, "test")}
    logs = [read_log(path) for path in project.found("data/encoders/scan-*/training.jsonl")]
    assert [len(log) for log in logs] == [3, 3]
    assert all("selection_loss/1" in line for log in logs for line in log)
    weights = [path.read_bytes() for path in project.found("data/encoders/*/weights.safetensors")]
    assert len(weights) == 3
    assert len(set(weights)) == 1, "heads alone were trained"
    assert len({path.read_bytes() for path in project.found("data/encoders/scan-*/heads.safetensors")}) == 2


def test_prototypes_are_drawn_and_nothing_is_left_to_do(project: Project) -> None:
    assert project.one("reports/frozen/figures/prototypes-scan.pdf").read_bytes().startswith(b"%PDF-")
    assert project.jobs() == {}


def test_another_number_of_views_extracts_and_trains_once_more(project: Project) -> None:
    path = project.configure(values(cached_views=4), "four")
    assert project.jobs("--configfile", path) == {
        "extract_features": 2,
        "train_encoder": 1,
        "assign_clusters": 1,
        "evaluate_clustering": 1,
        "collect_results": 1,
        "make_table": 1,
        "draw_prototypes": 1,
        "write_overview": 1,
    }
