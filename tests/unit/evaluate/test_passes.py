"""Scores after single passes: those that assignments by the centres of that pass get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.evaluate.passes import passes_rows
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import write_json
from clusterprobe.store.features import FeatureMatrix, write_shard
from clusterprobe.store.tables import results_table

PASSES = [1, 3, 40]
OPTIONS = {"restarts": 1, "trace": PASSES, "max_iterations": 40}


@pytest.fixture
def cell(tmp_path: Path) -> dict[str, Any]:
    """Ten blobs that overlap, as train and test split, without a reducer."""
    random = np.random.default_rng(0)
    centres, splits = random.normal(0, 2, (10, 4)), []
    for split, rows in (("train", 600), ("test", 200)):
        labels = np.arange(rows) % 10
        manifest, shard = tmp_path / f"{split}.parquet", tmp_path / split / "00000-of-00001.npy"
        ids = tuple(f"{split}-{row:03d}" for row in range(rows))
        write_manifest(manifest, Manifest(ids, ids, labels, tuple("abcdefghij"), ids))
        values = centres[labels] + random.normal(0, 1, (rows, 4))
        write_shard(shard, values, space="s", content=split, first_row=0, total_rows=rows)
        splits.append({"dataset": "blobs", "split": split, "manifest": str(manifest), "shards": [str(shard)]})
    write_json(tmp_path / "facts.json", {"dataset": "blobs", "classes": list("abcdefghij")})
    columns = {"encoder_id": "e", "encoder_seed": None, "features": "f"}
    common = {"basis": None, "fits": str(tmp_path / "fits"), "encoder_seed": None}
    return {
        "method": "kmeans",
        "reducer": {"name": "none", "dims": None, "whiten": False, "normalise": False},
        "clusters": {"k": None, "factor": 1.0},
        "options": OPTIONS,
        "facts": str(tmp_path / "facts.json"),
        "columns": {
            "fit_dataset": "blobs",
            "reducer": "none",
            "method": "kmeans",
            "protocol": "clean",
            "run": "r",
        },
        "members": [common | {"seeds": [0, 1], "splits": splits, "columns": columns}],
    }


def fitted(cell: dict[str, Any], path: Path) -> Path:
    models = {(None, seed): model for seed, (model, _) in enumerate(fit_cell(cell, "code"))}
    save_arrays(path, model_arrays(models))
    return path


def test_every_pass_is_scored_by_its_own_centres(cell: dict[str, Any], tmp_path: Path) -> None:
    rows = list(passes_rows(cell, fitted(cell, tmp_path / "model.npz")))
    results_table(rows)
    found = {(row["seed"], row["split"], row["metric"]): row["value"] for row in rows}
    assert len(found) == len(rows) == 2 * 2 * len(PASSES) * 3
    splits = cell["members"][0]["splits"]
    train, test = (FeatureMatrix.open([Path(split["shards"][0])]) for split in splits)
    for number in PASSES:
        model = fit_kmeans(train, 10, 1, restarts=1, max_iterations=number)
        clusters = [assign(rows, model).cluster for rows in (train, test)]
        scores = evaluate_assignments(
            clusters[0], np.arange(600) % 10, clusters[1], np.arange(200) % 10, 10, 10
        )
        for metric in ("acc", "nmi", "ari"):
            assert found[1, "test", f"{metric}@{number}"] == pytest.approx(scores[metric])
    assert found[1, "test", "acc@1"] < found[1, "test", "acc@40"]


def test_without_classes_there_is_nothing_to_score(cell: dict[str, Any], tmp_path: Path) -> None:
    path = fitted(cell, tmp_path / "model.npz")
    write_json(Path(cell["facts"]), {"dataset": "blobs", "classes": None})
    assert list(passes_rows(cell, path)) == []
