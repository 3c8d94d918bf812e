from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.similarity_histogram import similarities_frame, similarity_histograms
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.report.figures import draw_figure
from clusterprobe.store.features import write_shard


def slow(points: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    counts = {"same class": np.zeros(50), "other classes": np.zeros(50)}
    for one in range(len(points)):
        for other in range(one):
            cosine = points[one] @ points[other] / np.linalg.norm(points[one]) / np.linalg.norm(points[other])
            kind = "same class" if labels[one] == labels[other] else "other classes"
            counts[kind][min(int((cosine + 1) / 2 * 50), 49)] += 1
    return {kind: found / found.sum() for kind, found in counts.items()}


def test_histograms_are_those_of_all_pairs():
    points = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    labels = np.arange(30) % 4
    found, expected = similarity_histograms(points, labels), slow(points.astype(float), labels)
    assert found.keys() == expected.keys()
    for kind, shares in expected.items():
        np.testing.assert_allclose(found[kind], shares, atol=1e-9)


def test_points_of_one_class_alone_have_no_others():
    with pytest.raises(UserError, match="no two images of other classes"):
        similarity_histograms(np.ones((3, 2), dtype=np.float32), np.zeros(3, dtype=np.int64))


def test_a_frame_has_both_histograms_of_every_encoder_and_is_drawn(tmp_path: Path):
    labels = np.array([0, 1] * 20 + [-1] * 2)
    ids = tuple(map(str, range(42)))
    manifest = Manifest(ids, ids, labels, ("cat", "dog"), ids)
    write_manifest(tmp_path / "m.parquet", manifest)
    points = np.random.default_rng(0).normal(size=(42, 3)) + 2 * np.eye(3)[labels]
    shard = tmp_path / "00000-of-00001.npy"
    write_shard(shard, points, space="s", content=manifest.content, first_row=0, total_rows=42)
    entry = {"dataset": "pets", "shards": [str(shard)], "manifest": str(tmp_path / "m.parquet")}
    frame = similarities_frame([entry | {"encoder": "NPID"}, entry | {"encoder": "MoCo"}])
    assert len(frame) == 2 * 2 * 50
    np.testing.assert_allclose(frame.groupby(["encoder", "pairs"])["share"].sum(), 1)
    middles = frame["low"] + 0.02
    mean = (middles * frame["share"]).groupby([frame["encoder"], frame["pairs"]]).sum()
    assert mean["NPID", "same class"] > mean["NPID", "other classes"] + 0.1
    figure = draw_figure("similarities", frame)
    assert len(figure.axes[0].lines) == 4


def test_without_contrastive_encoders_there_is_nothing_to_draw():
    with pytest.raises(UserError, match="'similarities' has nothing to draw"):
        draw_figure("similarities", similarities_frame([]))
