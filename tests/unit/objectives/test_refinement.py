"""k-means under the old names."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.objectives.kernels.refinement import refined_clusters, renamed


@settings(max_examples=60, deadline=None)
@given(
    clusters=st.integers(1, 5),
    found=st.lists(st.integers(0, 4), min_size=1, max_size=30),
    seed=st.integers(0, 20),
)
def test_no_renaming_leaves_more_images_as_they_were(clusters, found, seed):
    new = np.array(found) % clusters
    old = np.random.default_rng(seed).integers(0, clusters, len(new))
    named = renamed(new, old, clusters)
    best = max(int((np.array(names)[new] == old).sum()) for names in itertools.permutations(range(clusters)))
    assert int((named == old).sum()) == best
    same = new[:, None] == new
    assert np.array_equal(same, named[:, None] == named)  # the partition is that of k-means


@settings(max_examples=60, deadline=None)
@given(clusters=st.integers(1, 6), seed=st.integers(0, 20))
def test_another_numbering_of_the_same_clusters_changes_nothing(clusters, seed):
    random = np.random.default_rng(seed)
    old = np.concatenate([np.arange(clusters), random.integers(0, clusters, 30)])
    assert np.array_equal(renamed(random.permutation(clusters)[old], old, clusters), old)


def test_clusters_are_found_in_the_outputs_whatever_the_old_ones_were_sized():
    random = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [70, 20, 10])
    outputs = (np.eye(3)[truth] + 0.05 * random.normal(size=(100, 3))).astype(np.float32)
    old = np.where(random.random(100) < 0.6, truth, random.integers(0, 3, 100))
    assert np.array_equal(refined_clusters(outputs, old, 3, seed=0), truth)


def test_the_seed_decides():
    outputs = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    old = np.arange(60) % 8
    first, again = (refined_clusters(outputs, old, 8, seed=3) for _ in range(2))
    assert np.array_equal(first, again)
    assert set(first) == set(range(8))


def test_more_clusters_than_images_is_refused():
    from clusterprobe.config.errors import UserError

    with pytest.raises(UserError):
        refined_clusters(np.zeros((3, 2), np.float32), np.zeros(3, np.int64), 4, seed=0)
