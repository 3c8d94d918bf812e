from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.features.flat_map import flat_map
from clusterprobe.store.rows import ArrayRows


def test_clouds_that_are_apart_are_apart_on_the_map():
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 40)
    rows = ArrayRows(10 * np.eye(3, 20)[labels] + generator.normal(size=(120, 20)))
    points = flat_map(rows, np.arange(120))
    assert points.dtype == np.float32
    assert np.abs(points).max() == pytest.approx(1)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.99
    np.testing.assert_array_equal(points, flat_map(rows, np.arange(120)))


@pytest.mark.parametrize("count", [1, 2, 4, 6])
def test_few_or_equal_rows_have_a_place(count):
    rows = ArrayRows(np.random.default_rng(0).normal(size=(count, 3)))
    assert flat_map(rows, np.arange(count)).shape == (count, 2)
    same = flat_map(ArrayRows(np.ones((count, 3))), np.arange(count))
    np.testing.assert_array_equal(same, np.zeros((count, 2)))


def test_only_what_is_chosen_is_on_the_map():
    rows = ArrayRows(np.random.default_rng(0).normal(size=(50, 1)))
    assert flat_map(rows, np.array([3, 4, 9, 30, 31, 40, 44])).shape == (7, 2)
