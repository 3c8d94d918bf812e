"""Points along their leading axes, and points whose clusters are known."""

from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster.partition import Partition, assign_all
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import ArrayRows, Float32


def values(decay: float, count: int = 3000, width: int = 80) -> Float32:
    generator = np.random.default_rng(0)
    scale = np.arange(1, width + 1) ** -decay
    rotation = np.linalg.qr(generator.standard_normal((width, width)))[0]
    return ((generator.standard_normal((count, width)) * scale) @ rotation + 3).astype(np.float32)


def points(rows: Float32, spherical: bool = False, memory_bytes: int = 2**30) -> Points:
    return Points.of(ArrayRows(rows, "encoder"), spherical=spherical, memory_bytes=memory_bytes)


@pytest.mark.parametrize("spherical", [False, True])
def test_leading_axes_keep_most_of_the_variance(spherical: bool) -> None:
    given = points(values(1.0), spherical)
    leading = given.leading
    assert leading is not None
    assert leading.axes.shape[1] % 16 == 0
    np.testing.assert_allclose(leading.axes.T @ leading.axes, np.eye(leading.axes.shape[1]), atol=1e-5)
    whole = given.take(np.arange(3000))
    along = leading.points.take(np.arange(3000))
    np.testing.assert_allclose(along, whole @ leading.axes, atol=1e-5)
    assert np.square(along).sum() > 0.9 * np.square(whole).sum()
    assert given.leading is leading, "found once"
    assert leading.points.leading is None


def test_directions_that_are_alike_have_none() -> None:
    assert points(values(0.0)).leading is None


def test_they_are_the_same_when_they_are_not_kept() -> None:
    rows = values(1.0)
    kept, made = points(rows).leading, points(rows, memory_bytes=0).leading
    assert kept is not None
    assert made is not None
    assert kept.points.held
    assert not made.points.held
    np.testing.assert_array_equal(kept.axes, made.axes)
    some = np.array([5, 17, 2999])
    np.testing.assert_allclose(kept.points.take(some), made.points.take(some), atol=1e-5)
    block = points(rows).take(some)
    np.testing.assert_allclose(kept.of_block(some, block), made.of_block(some, block), atol=1e-5)
    blocks = list(made.points.rows.blocks(700))
    np.testing.assert_allclose(np.concatenate(blocks), kept.points.take(np.arange(3000)), atol=1e-5)
    assert made.points.space == "encoder"


def test_a_partition_of_known_clusters_is_that_of_a_pass() -> None:
    given = points(values(1.0))
    centres = given.take(np.arange(7))
    passed = Partition.none(3000, centres.shape)
    assign_all(given, centres, passed)
    known = Partition.of(given, passed.labels, 7)
    np.testing.assert_array_equal(known.labels, passed.labels)
    np.testing.assert_array_equal(known.counts, passed.counts)
    np.testing.assert_allclose(known.sums, passed.sums, atol=1e-9)
    assert known.inertia(centres) == pytest.approx(passed.inertia(centres))


def test_narrow_points_come_in_large_blocks_only_where_they_are_held() -> None:
    rows = values(1.0, count=80_000, width=8)
    held, read = points(rows), points(rows, memory_bytes=0)
    assert held.held
    assert not read.held

    def sizes(given: Points) -> list[int]:
        return list(given.map(lambda where, block: len(block)))

    assert sizes(held) == [10_000] * 8
    assert max(sizes(read)) == 8192
    assert sum(sizes(read)) == 80_000
