"""k-means in torch: the same as on arrays, on one device or over several processes."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from clusterprobe.cluster import device_kmeans, kmeans
from clusterprobe.cluster.device_points import DevicePoints
from clusterprobe.cluster.initialisation import plus_plus
from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import ArrayRows

CPU = torch.device("cpu")
WITHOUT = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
GPU = pytest.param("cuda", marks=[pytest.mark.gpu, WITHOUT])

TWO_PROCESSES = """
import sys
import numpy as np
from datetime import timedelta
from torch import distributed
from clusterprobe.cluster.device_kmeans import fit_kmeans
from clusterprobe.store.rows import ArrayRows

values = np.load(sys.argv[1])
cut = 1100  # parts of unequal size
rank = int(sys.argv[2])
distributed.init_process_group(
    "gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
)
part = ArrayRows(values[:cut] if rank == 0 else values[cut:])
for name, options in {"drawn": {}, "given": {"initial": np.repeat(values[:4], 3, axis=0)}}.items():
    model = fit_kmeans(part, 12, 0, device="cpu", tolerance=0, **options)
    np.savez(f"{sys.argv[3]}-{name}-{rank}.npz", centres=model.centres, inertia=model.inertia)
distributed.destroy_process_group()
"""


def values(count: int = 3000, width: int = 8, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((20, width)) * 2
    rows = centres[generator.integers(20, size=count)] + generator.standard_normal((count, width))
    return (rows + 5).astype(np.float32)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("memory_bytes", [0, None])
@pytest.mark.parametrize("device", ["cpu", GPU])
def test_equals_arrays_from_the_same_start(device: str, memory_bytes: int | None, spherical: bool) -> None:
    rows = ArrayRows(values())
    options = {"initial": rows.values[:15], "spherical": spherical, "tolerance": 0.0}
    expected = kmeans.fit_kmeans(rows, 15, 0, **options)
    found = device_kmeans.fit_kmeans(rows, 15, 0, device=device, memory_bytes=memory_bytes, **options)
    assert found.iterations == expected.iterations
    np.testing.assert_allclose(found.inertia, expected.inertia, rtol=1e-5)
    np.testing.assert_allclose(found.centres, expected.centres, atol=1e-4)


@pytest.mark.parametrize("k", [5, 40])
def test_few_rows_have_the_first_centres_of_arrays(k: int) -> None:
    points = values(500) - 5
    expected = plus_plus(points, k, np.random.default_rng(3))
    found = device_kmeans.plus_plus(torch.from_numpy(points), k, np.random.default_rng(3))
    np.testing.assert_array_equal(found.numpy(), expected)


def test_growing_samples_end_as_well_as_on_arrays() -> None:
    rows, few = ArrayRows(values(25_000, 4)), {"max_iterations": 3}
    ours = [device_kmeans.fit_kmeans(rows, 12, seed, device="cpu", **few).inertia for seed in range(3)]
    theirs = [kmeans.fit_kmeans(rows, 12, seed, **few).inertia for seed in range(3)]
    assert np.mean(ours) < np.mean(theirs) * 1.03


def test_empty_clusters_get_the_farthest_points() -> None:
    rows = ArrayRows(values(200))
    start = np.repeat(rows.values[:3], 4, axis=0)
    options = {"initial": start, "max_iterations": 1, "tolerance": 0.0}
    expected = kmeans.fit_kmeans(rows, 12, 0, **options)
    found = device_kmeans.fit_kmeans(rows, 12, 0, device="cpu", **options)
    np.testing.assert_allclose(found.centres, expected.centres, atol=1e-5)


@pytest.mark.parametrize("spherical", [False, True])
@pytest.mark.parametrize("k", [1, 9])
def test_assignments_equal_those_of_arrays(spherical: bool, k: int) -> None:
    rows = ArrayRows(values())
    model = kmeans.fit_kmeans(rows, k, 0, spherical=spherical)
    expected, found = kmeans.assign(rows, model), device_kmeans.assign(rows, model, device="cpu")
    np.testing.assert_array_equal(found.cluster, expected.cluster)
    np.testing.assert_array_equal(found.second, expected.second)
    np.testing.assert_allclose(found.distance, expected.distance, atol=1e-4)
    np.testing.assert_allclose(found.confidence, expected.confidence, atol=1e-4)


def test_points_have_the_moments_of_all_rows() -> None:
    given = values()
    points = DevicePoints.of(ArrayRows(given), spherical=False, device=CPU)
    np.testing.assert_allclose(points.offset, given.mean(axis=0, dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(points.variance, given.astype(np.float64).var(axis=0).mean(), rtol=1e-6)
    chosen = np.array([3, 700, 2999])
    np.testing.assert_allclose(points.take(chosen), given[chosen] - given.mean(axis=0), atol=1e-5)


def test_two_processes_are_as_one(tmp_path) -> None:
    given = values(2500)
    np.save(tmp_path / "values.npy", given)
    arguments = [sys.executable, "-c", TWO_PROCESSES, str(tmp_path / "values.npy")]
    running = [subprocess.Popen([*arguments, str(rank), str(tmp_path / "meet")]) for rank in range(2)]
    assert [process.wait(120) for process in running] == [0, 0]
    for name, options in {"drawn": {}, "given": {"initial": np.repeat(given[:4], 3, axis=0)}}.items():
        alone = device_kmeans.fit_kmeans(ArrayRows(given), 12, 0, device="cpu", tolerance=0, **options)
        first, second = (dict(np.load(tmp_path / f"meet-{name}-{rank}.npz")) for rank in range(2))
        np.testing.assert_array_equal(first["centres"], second["centres"])
        np.testing.assert_allclose(first["centres"], alone.centres, atol=1e-5)
        np.testing.assert_allclose(first["inertia"], alone.inertia, rtol=1e-6)


def test_mistakes_are_named() -> None:
    rows = ArrayRows(values(50))
    with pytest.raises(UserError, match="choose k"):
        device_kmeans.fit_kmeans(rows, 51, 0, device="cpu")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match="no GPU"):
            device_kmeans.fit_kmeans(rows, 5, 0, device="cuda")
    broken = rows.values.copy()
    broken[7, 3] = np.nan
    with pytest.raises(UserError, match="NaN"):
        device_kmeans.fit_kmeans(ArrayRows(broken), 5, 0, device="cpu")
