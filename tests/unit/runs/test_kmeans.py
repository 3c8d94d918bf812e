"""One cell of k-means: seeds, resume, transfer sets, number of clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clusterprobe.cluster import device_kmeans, kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.runs import kmeans as cell_of_kmeans
from clusterprobe.runs.assignments import assignments_table, read_assignments
from clusterprobe.runs.clusters import number_of_clusters
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.atomic import write_json
from clusterprobe.store.features import FeatureMatrix, write_shard
from clusterprobe.store.tables import write_table

ROWS = {("blobs", "train"): 60, ("blobs", "test"): 20, ("moved", "test"): 10}


@pytest.fixture
def cell(tmp_path: Path) -> dict[str, Any]:
    """Three well separated blobs, two splits and a transfer set, one member with two seeds."""
    random = np.random.default_rng(0)
    centres = np.array([[0.0, 0, 9], [9, 0, 0], [0, 9, 0]])
    splits = []
    for (dataset, split), rows in ROWS.items():
        labels = np.arange(rows) % 3
        manifest = tmp_path / dataset / f"{split}.parquet"
        ids = tuple(f"{split}-{row:03d}" for row in range(rows))
        write_manifest(manifest, Manifest(ids, ids, labels, ("a", "b", "c"), ids))
        shard = tmp_path / dataset / split / "00000-of-00001.npy"
        values = centres[labels] + random.normal(0, 0.1, (rows, 3))
        write_shard(shard, values, space="space", content=f"{dataset}/{split}", first_row=0, total_rows=rows)
        splits.append({"dataset": dataset, "split": split, "manifest": str(manifest), "shards": [str(shard)]})
    write_json(tmp_path / "facts.json", {"dataset": "blobs", "classes": ["a", "b", "c"]})
    basis = tmp_path / "basis.npz"
    save_pca(basis, fit_pca(FeatureMatrix.open([Path(splits[0]["shards"][0])])))
    return {
        "dataset": "blobs",
        "method": "kmeans",
        "reducer": {"name": "pca", "dims": None, "whiten": False, "normalise": False},
        "clusters": {"k": None, "factor": 1.0},
        "options": {"restarts": 3},
        "facts": str(tmp_path / "facts.json"),
        "members": [
            {
                "encoder_seed": None,
                "seeds": [0, 1],
                "fits": str(tmp_path / "fits"),
                "basis": str(basis),
                "splits": splits,
            }
        ],
    }


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds that were really fitted."""
    seeds: list[int] = []

    def counted(rows: Any, k: int, seed: int, **options: Any) -> kmeans.KMeansModel:
        seeds.append(seed)
        return kmeans.fit_kmeans(rows, k, seed, **options)

    monkeypatch.setattr(cell_of_kmeans, "fit_kmeans", counted)
    return seeds


def _run(cell: dict[str, Any], code: str = "code") -> list[Any]:
    return list(fit_cell(cell, code))


def test_every_seed_assigns_every_split_and_finds_the_blobs(cell: dict[str, Any]) -> None:
    found = _run(cell)
    assert [[(part.dataset, part.split) for part in parts] for _, parts in found] == [list(ROWS)] * 2
    for _, parts in found:
        for part in parts:
            cluster = part.assignment.cluster
            assert len(cluster) == ROWS[part.dataset, part.split]
            assert [len(set(cluster[start::3])) for start in range(3)] == [1, 1, 1]
            assert len(set(cluster[:3])) == 3


def test_a_further_seed_fits_one_seed(cell: dict[str, Any], fits: list[int]) -> None:
    before = _run(cell)
    cell["members"][0]["seeds"] = [0, 1, 2]
    after = _run(cell)
    assert fits == [0, 1, 2]
    np.testing.assert_array_equal(before[1][0].centres, after[1][0].centres)


@pytest.mark.parametrize("change", ["code", "options", "method", "features"])
def test_a_seed_finished_under_other_conditions_is_fitted_again(
    cell: dict[str, Any], fits: list[int], change: str
) -> None:
    _run(cell)
    if change == "options":
        cell["options"] = {"restarts": 4}
    elif change == "method":
        cell["method"] = "spherical-kmeans"
    elif change == "features":
        shard = Path(cell["members"][0]["splits"][0]["shards"][0])
        values = FeatureMatrix.open([shard]).take(np.arange(60))
        write_shard(shard, values + 1, space="space", content="blobs/train", first_row=0, total_rows=60)
    _run(cell, "other code" if change == "code" else "code")
    assert fits == [0, 1, 0, 1]


def test_a_damaged_seed_is_fitted_again_with_the_same_result(
    cell: dict[str, Any], fits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = _run(cell)
    state = Path(cell["members"][0]["fits"]) / "seed-1.state"
    data = bytearray(state.read_bytes())
    data[-3] ^= 1
    state.write_bytes(data)
    after = _run(cell)
    assert fits == [0, 1, 1]
    assert "seed-1.state" in capsys.readouterr().err
    np.testing.assert_array_equal(before[1][0].centres, after[1][0].centres)


def test_raw_transfer_features_meet_centres_of_another_space(
    cell: dict[str, Any], fits: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    """Published: the same centres, no projection of the transfer set, and every image at the wrong one."""
    clean = _run(cell)
    moved = cell["members"][0]["splits"][2]
    moved["raw"] = True
    published = _run(cell)
    assert fits == [0, 1]
    assert (
        "raw-transfer-features: 3 of 3 columns of 'space' are taken for 'space|pca3-"
        in capsys.readouterr().err
    )
    raw = FeatureMatrix.open([Path(moved["shards"][0])]).take(np.arange(10))
    for (model, before), (_, after) in zip(clean, published, strict=True):
        for number in (0, 1):
            np.testing.assert_array_equal(before[number].assignment.cluster, after[number].assignment.cluster)
        distances = np.linalg.norm(raw[:, None] - model.centres, axis=2)
        np.testing.assert_array_equal(after[2].assignment.cluster, distances.argmin(axis=1))
        assert (before[2].assignment.cluster != after[2].assignment.cluster).any()


def test_raw_features_are_refused_where_no_deviation_is_named(cell: dict[str, Any]) -> None:
    model = _run(cell)[0][0]
    raw = FeatureMatrix.open([Path(cell["members"][0]["splits"][2]["shards"][0])])
    with pytest.raises(UserError, match="these features are of the space 'space'"):
        kmeans.assign(raw, model)


def test_models_and_assignments_survive_the_way_to_disk(cell: dict[str, Any], tmp_path: Path) -> None:
    found = _run(cell)
    arrays = model_arrays({(None, seed): model for seed, (model, _) in enumerate(found)})
    assert (int(arrays["clusters/1"]), int(arrays["dims/1"])) == (3, 3)
    assert arrays["encoder_seeds"].tolist() == [-1, -1]
    write_table(tmp_path / "a.parquet", assignments_table([part for _, parts in found for part in parts]))
    blocks = list(read_assignments(tmp_path / "a.parquet"))
    assert [(block.dataset, block.split, block.seed) for block in blocks] == [
        (*key, seed) for seed in (0, 1) for key in ROWS
    ]
    np.testing.assert_array_equal(blocks[4].cluster, found[1][1][1].assignment.cluster)
    assert blocks[4].ids[:2] == ("test-000", "test-001")
    assert blocks[4].top is None
    assert blocks[4].encoder_seed is None


def test_the_number_of_clusters_is_given_or_follows_from_the_classes(tmp_path: Path) -> None:
    facts = tmp_path / "facts.json"
    write_json(facts, {"dataset": "mine", "classes": ["a", "b", "c"]})
    assert number_of_clusters({"k": None, "factor": 1.5}, facts) == 4
    assert number_of_clusters({"k": 7, "factor": None}, tmp_path / "nowhere") == 7
    write_json(facts, {"dataset": "mine", "classes": None})
    with pytest.raises(UserError, match=r"mine has no class labels.*k: \[20\]"):
        number_of_clusters({"k": None, "factor": 1.0}, facts)


def test_on_a_gpu_the_clusters_are_the_same(cell: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernels in torch, here on the CPU. Of starts that end alike, another one may be kept."""
    on_arrays = _run(cell)
    for member in cell["members"]:
        member["fits"] += "-cuda"
    used: list[str] = []

    def choose(name: str) -> torch.device:
        used.append(name)
        return torch.device("cpu")

    monkeypatch.setattr(device_kmeans, "choose_device", choose)
    in_torch = list(fit_cell(cell, "code", device="cuda"))
    assert set(used) == {"cuda"}
    for (model, parts), (expected, expected_parts) in zip(in_torch, on_arrays, strict=True):
        np.testing.assert_allclose(model.inertia, expected.inertia, rtol=1e-5)
        for part, expected_part in zip(parts, expected_parts, strict=True):
            pairs = set(zip(part.assignment.cluster, expected_part.assignment.cluster, strict=True))
            assert len(pairs) == len(set(expected_part.assignment.cluster))
            assert len(pairs) == len(set(part.assignment.cluster))
