from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster import initialisation, near_passes, nearest
from clusterprobe.cluster.kmeans import fit_kmeans
from clusterprobe.cluster.lloyd import step
from clusterprobe.cluster.partition import Partition
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import ArrayRows, Float32


def values(count: int = 3000, width: int = 12) -> Float32:
    draw = np.random.default_rng(0)
    blobs = 4 * draw.normal(size=(40, width))
    return (blobs[draw.integers(40, size=count)] + draw.normal(size=(count, width))).astype(np.float32)


def points(rows: Float32, spherical: bool = False) -> Points:
    return Points.of(ArrayRows(rows), spherical=spherical, memory_bytes=2**30)


def first_of(given: Points, k: int) -> Float32:
    return given.take(np.arange(0, given.count, given.count // k)[:k])


def nearest_of_all(given: Points, centres: Float32) -> Partition:
    partition = Partition.none(given.count, centres.shape)
    step(given, centres, partition)
    return partition


def inertia(given: Points, centres: Float32) -> float:
    """Of every point to the nearest of all centres, one point after the other."""
    rows = given.take(np.arange(given.count)).astype(np.float64)
    return sum(float(np.square(row - centres).sum(axis=1).min()) for row in rows)


@pytest.mark.parametrize("spherical", [False, True])
def test_they_come_as_far_as_lloyd_in_as_many_passes(spherical: bool) -> None:
    given = points(values(), spherical)
    start = lloyd = first_of(given, 120)
    partition = Partition.none(given.count, start.shape)
    for _ in range(5):
        lloyd = step(given, lloyd, partition).updated
    found = near_passes.near_passes(given, start, nearest_of_all(given, start), 4)
    assert inertia(given, found) < 1.002 * inertia(given, lloyd) < 0.9 * inertia(given, start)
    if spherical:
        np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_with_all_centres_near_a_pass_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    given = points(values())
    centres = first_of(given, 60)
    near = nearest_of_all(given, centres)
    moved = (centres + 0.3 * np.random.default_rng(1).normal(size=centres.shape)).astype(np.float32)
    exact = nearest_of_all(given, moved)
    monkeypatch.setattr(near_passes, "_NEAR", 60)
    before = near.labels.copy()
    assert near_passes._assign_near(given, moved, near) == (near.labels != before).sum() > 0
    np.testing.assert_array_equal(near.labels, exact.labels)
    np.testing.assert_allclose(near.sums, exact.sums, atol=1e-9)


def test_how_rows_are_cut_into_blocks_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    given = points(values())
    start = first_of(given, 100)
    whole = near_passes.near_passes(given, start, nearest_of_all(given, start), 3)
    monkeypatch.setattr(nearest, "_VALUES_PER_BLOCK", 256 * 12)
    cut = near_passes.near_passes(given, start, nearest_of_all(given, start), 3)
    np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_equal_centres_and_few_distinct_points_do_no_harm() -> None:
    given = points(np.repeat(values(30), 20, axis=0))
    start = np.repeat(first_of(given, 30), 2, axis=0)
    found = near_passes.near_passes(given, start, nearest_of_all(given, start), 5)
    assert np.isfinite(found).all()
    assert inertia(given, found) == pytest.approx(0, abs=1e-6)


def test_many_clusters_start_with_near_passes_and_end_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole fit, with samples as of many rows: no fixed point that is worse than without near passes."""
    monkeypatch.setattr(initialisation, "_ROWS_PER_CLUSTER", 10)
    monkeypatch.setattr(initialisation, "_ROWS_AT_LEAST", 600)
    rows = ArrayRows(values(4000))
    without = fit_kmeans(rows, 60, 0)
    seen = []
    real = near_passes.near_passes

    def watched(given: Points, *more: object) -> Float32:
        seen.append(given.count)
        return real(given, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(initialisation, "near_passes", watched)
    monkeypatch.setattr(initialisation, "MANY_CLUSTERS", 50)
    found = fit_kmeans(rows, 60, 0)
    assert seen == [600, 4000]
    assert found.inertia < 1.01 * without.inertia
    labels = np.square(rows.values[:, None] - found.centres).sum(axis=2).argmin(axis=1)
    means = np.stack([rows.values[labels == number].mean(axis=0) for number in range(60)])
    np.testing.assert_allclose(found.centres, means, atol=0.05)
