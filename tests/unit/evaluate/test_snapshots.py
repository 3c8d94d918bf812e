from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.snapshots import read_snapshots, snapshot_knn_frame
from clusterprobe.images.manifest import Manifest, read_manifest, write_manifest
from clusterprobe.report.figures import draw_figure
from clusterprobe.store.arrays import save_arrays


@pytest.fixture
def training(tmp_path: Path) -> dict[str, Any]:
    """Snapshots of every other of 90 images: all mixed up at first, class by class in the end."""
    labels, ids = np.arange(90) % 3, tuple(map(str, range(90)))
    manifest = Manifest(ids, ids, labels, ("zero", "one", "two"), ids)
    write_manifest(tmp_path / "manifest.parquet", manifest)
    rows = np.arange(0, 90, 2)
    mixed = np.random.default_rng(0).normal(size=(45, 16))
    found = {
        "snapshots": np.stack([mixed, np.eye(16)[labels[rows]] + 0.05 * mixed]).astype(np.float32),
        "snapshot_epochs": np.array([0, 9]),
        "snapshot_rows": rows,
        "snapshot_content": manifest.content,
    }
    save_arrays(tmp_path / "found.npz", found)
    files = {"found": str(tmp_path / "found.npz"), "manifest": str(tmp_path / "manifest.parquet")}
    return files | {"dataset": "digits", "encoder": "NPID", "encoder_seed": 0}


def _knn(features: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose class has the most votes of the nearest 20 of the others, one at a time."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    right = 0
    for image, label in enumerate(labels):
        cosines = np.delete(unit @ unit[image], image)
        others = np.delete(labels, image)
        nearest = np.argsort(-cosines)[:20]
        votes = [np.exp(cosines[nearest] / 0.1)[others[nearest] == name].sum() for name in range(3)]
        right += int(np.argmax(votes) == label)
    return right / len(labels)


def test_neighbours_among_the_kept_images_vote(training: dict[str, Any]) -> None:
    kept = read_snapshots(training)
    frame = snapshot_knn_frame([training, training | {"encoder_seed": 1}])
    assert frame[["encoder_seed", "epoch"]].to_numpy().tolist() == [[0, 0], [0, 9], [1, 0], [1, 9]]
    expected = [_knn(features, kept.labels) for _, features in kept]
    assert frame["value"].tolist() == pytest.approx(expected * 2)
    assert expected[0] < 0.7 < expected[1] == 1
    twice = pd.concat([frame, frame.assign(dataset="digits-lt")])
    axis, other = draw_figure("knn-epochs", twice).axes
    assert (axis.get_title(loc="left"), other.get_title(loc="left")) == ("digits", "digits-lt")
    assert [label.get_text() for label in axis.get_xticklabels()] == ["0", "9"]
    np.testing.assert_allclose(axis.lines[0].get_ydata(), expected)


def test_images_without_a_label_neither_vote_nor_count(training: dict[str, Any]) -> None:
    path = Path(training["manifest"])
    manifest = read_manifest(path)
    write_manifest(path, replace(manifest, labels=np.where(np.arange(90) % 10 < 6, -1, manifest.labels)))
    values = snapshot_knn_frame([training])["value"]
    assert values.iloc[-1] == 1
    write_manifest(path, replace(manifest, labels=np.full(90, -1)))
    with pytest.raises(UserError, match="label"):
        snapshot_knn_frame([training])


def test_snapshots_of_other_images_are_refused(training: dict[str, Any]) -> None:
    other = Manifest(("a",), ("a",), np.zeros(1, np.int64), ("c",), ("a",))
    write_manifest(Path(training["manifest"]), other)
    with pytest.raises(UserError, match="no snapshots of the images"):
        read_snapshots(training)


def test_without_snapshots_there_is_no_course() -> None:
    with pytest.raises(UserError, match="'knn-epochs' has nothing to draw"):
        draw_figure("knn-epochs", snapshot_knn_frame([]))
