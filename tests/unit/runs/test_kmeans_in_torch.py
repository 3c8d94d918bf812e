"""A cell of k-means in several processes, here on the CPU: as one process with all rows, and how they end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.runs import kmeans as cell_of_kmeans
from clusterprobe.runs import kmeans_in_torch
from clusterprobe.runs.assignments import read_assignments
from clusterprobe.runs.kmeans import fit_cell, write_cell, write_fits
from clusterprobe.runs.kmeans_in_torch import fit_in_processes, kernels
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.features import FeatureMatrix, record_path, write_shard
from clusterprobe.store.hashing import sha256_file

# Rows of the shards: the processes meet within a shard, and one image leaves nothing for the first of them.
SHARDS = {("blobs", "train"): (50, 300, 150), ("blobs", "test"): (31,), ("moved", "test"): (1,)}
WIDTH, K = 6, 7

ALONE = """
import json, sys
from pathlib import Path
from clusterprobe.runs.kmeans_in_torch import fit_in_processes
cell, model, assignments = json.loads(sys.argv[1])
sys.exit(fit_in_processes(2, cell, "code", Path(model), Path(assignments), device="cpu"))
"""


def make_cell(folder: Path, method: str = "kmeans", reducer: dict[str, Any] | None = None) -> dict[str, Any]:
    """A cell of one member with two seeds on noisy blobs; the PCA only rotates if nothing else is said."""
    random = np.random.default_rng(0)
    centres = random.normal(0, 2, (12, WIDTH))
    splits = []
    for (dataset, split), sizes in SHARDS.items():
        rows, first, shards = sum(sizes), 0, []
        manifest = folder / dataset / f"{split}.parquet"
        ids = tuple(f"{split}-{row:03d}" for row in range(rows))
        write_manifest(manifest, Manifest(ids, ids, np.zeros(rows, np.int64), ("a",), ids))
        values = centres[random.integers(12, size=rows)] + random.normal(0, 1, (rows, WIDTH))
        for number, size in enumerate(sizes):
            shards.append(folder / dataset / split / f"{number:05d}-of-{len(sizes):05d}.npy")
            part = values[first : first + size]
            names = {"space": "space", "content": f"{dataset}/{split}"}
            write_shard(shards[-1], part, **names, first_row=first, total_rows=rows)
            first += size
        entry = {"dataset": dataset, "split": split, "manifest": str(manifest)}
        splits.append(entry | {"shards": [str(path) for path in shards]})
    basis = folder / "basis.npz"
    save_pca(basis, fit_pca(FeatureMatrix.open([Path(path) for path in splits[0]["shards"]])))
    return {
        "method": method,
        "reducer": {"name": "pca", "dims": None, "whiten": False, "normalise": False} | (reducer or {}),
        "clusters": {"k": K, "factor": None},
        "options": {"restarts": 2},
        "facts": str(folder / "nowhere.json"),
        "members": [
            {
                "encoder_seed": None,
                "seeds": [0, 1],
                "fits": str(folder / "fits"),
                "basis": str(basis),
                "splits": splits,
            }
        ],
    }


def elsewhere(cell: dict[str, Any], fits: Path, **changed: Any) -> dict[str, Any]:
    """The same cell with other finished seeds."""
    [member] = cell["members"]
    return cell | {"members": [member | {"fits": str(fits)} | changed]}


def paths(folder: Path) -> tuple[Path, Path]:
    return folder / "model.npz", folder / "assignments.parquet"


def damage(shard: Path, row: int) -> None:
    """Put a NaN into a shard that no writer would write, and vouch for it."""
    values = np.load(shard)
    values[row] = np.nan
    np.save(shard, values)
    write_json(record_path(shard), read_json(record_path(shard)) | {"sha256": sha256_file(shard)})


def check_alike(alone: Path, together: Path) -> None:
    """Labels are equal but for near-ties, inertias to 1e-5."""
    one, two = (dict(np.load(paths(folder)[0])) for folder in (alone, together))
    assert one.keys() == two.keys()
    for seed in one["seeds"]:
        np.testing.assert_allclose(two[f"inertia/{seed}"], one[f"inertia/{seed}"], rtol=1e-5)
        np.testing.assert_allclose(two[f"centres/{seed}"], one[f"centres/{seed}"], atol=1e-4)
    blocks = [list(read_assignments(paths(folder)[1])) for folder in (alone, together)]
    assert len(blocks[0]) == len(SHARDS) * len(one["seeds"])
    for expected, found in zip(*blocks, strict=True):
        assert (found.dataset, found.split, found.seed) == (expected.dataset, expected.split, expected.seed)
        assert found.ids == expected.ids
        sure = expected.confidence > 1e-4
        np.testing.assert_array_equal(found.cluster[sure], expected.cluster[sure])
        np.testing.assert_allclose(found.distance, expected.distance, atol=1e-4)


def test_two_processes_find_what_one_finds_and_go_on_from_its_seeds(tmp_path: Path) -> None:
    cell = make_cell(tmp_path)
    write_fits(fit_cell(cell, "code", kernels=kernels("cpu")), *paths(tmp_path / "alone"))
    together = elsewhere(cell, tmp_path / "fits-together")
    kept = Path(together["members"][0]["fits"]) / "seed-0.state"
    kept.parent.mkdir()
    shutil.copy(tmp_path / "fits" / "seed-0.state", kept)
    before = kept.stat().st_mtime_ns
    assert fit_in_processes(2, together, "code", *paths(tmp_path / "together"), device="cpu") == 0
    check_alike(tmp_path / "alone", tmp_path / "together")
    assert kept.stat().st_mtime_ns == before, "a finished seed is not fitted again"
    assert sorted(path.name for path in kept.parent.iterdir()) == ["seed-0.state", "seed-1.state"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "reducer"), [("spherical-kmeans", {}), ("kmeans", {"dims": 4, "normalise": True})]
)
def test_so_it_is_on_the_sphere_and_in_reduced_spaces(
    method: str, reducer: dict[str, Any], tmp_path: Path
) -> None:
    cell = make_cell(tmp_path, method, reducer)
    write_fits(fit_cell(cell, "code", kernels=kernels("cpu")), *paths(tmp_path / "alone"))
    together = elsewhere(cell, tmp_path / "fits-together")
    assert fit_in_processes(2, together, "code", *paths(tmp_path / "together"), device="cpu") == 0
    check_alike(tmp_path / "alone", tmp_path / "together")


@pytest.mark.slow
def test_a_process_that_fails_ends_all_with_one_error(tmp_path: Path) -> None:
    cell = make_cell(tmp_path)
    damage(Path(cell["members"][0]["splits"][0]["shards"][2]), 149)
    with pytest.raises(UserError, match="NaN"):
        fit_in_processes(2, cell, "code", *paths(tmp_path), device="cpu")
    assert not any(path.exists() for path in paths(tmp_path))


@pytest.mark.slow
def test_a_job_that_is_stopped_leaves_finished_seeds_and_no_process(
    tmp_path: Path, workers: Callable[[], list[int]], wait_for: Callable[..., None]
) -> None:
    seeds = list(range(10_000))
    cell = elsewhere(make_cell(tmp_path), tmp_path / "long", seeds=seeds)
    order = json.dumps([cell, *map(str, paths(tmp_path))])
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with (tmp_path / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [sys.executable, "-c", ALONE, order], stdout=said, stderr=said, env=environment
        )
    wait_for((tmp_path / "long" / "seed-0.state").exists)
    assert len(workers()) == 2
    process.terminate()
    assert process.wait(60) == 75
    wait_for(lambda: not workers(), 10)
    assert not any(path.exists() for path in paths(tmp_path))
    assert not list(tmp_path.glob("clusterprobe-*")), "the order is removed"


def test_only_what_runs_in_torch_gets_several_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def launch(processes: int, *_: Any, device: str) -> int:
        assert device == "cuda"
        asked.append(processes)
        return 75

    monkeypatch.setattr(kmeans_in_torch, "fit_in_processes", launch)
    monkeypatch.setattr(cell_of_kmeans, "_kernels", lambda *_: kernels("cpu"))
    cell = make_cell(tmp_path)
    assert write_cell(cell, "code", *paths(tmp_path), device="cuda", gpus=3) == 75
    assert asked == [3]
    for gpus, device, options in [(1, "cuda", {}), (2, "cpu", {}), (2, "cuda", {"trace": [1]})]:
        one = cell | {"options": cell["options"] | options}
        assert write_cell(one, "code", *paths(tmp_path), device=device, gpus=gpus) == 0
    assert asked == [3]
    assert all(path.exists() for path in paths(tmp_path))
