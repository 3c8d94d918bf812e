from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from clusterprobe.cluster.hierarchy import cut_tree, ward_tree
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.metrics import ari, contingency


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 14), st.integers(1, 5))
def test_ward_of_weighted_centres_is_ward_of_repeated_points(seed, k, dims):
    generator = np.random.default_rng(seed)
    centres, sizes = generator.normal(size=(k, dims)), generator.integers(1, 5, k)
    merges = ward_tree(centres, sizes)
    repeated = linkage(np.repeat(centres, sizes, axis=0), "ward")[sizes.sum() - k :]
    np.testing.assert_allclose(merges[:, 2], repeated[:, 2], rtol=1e-6, atol=1e-9)
    np.testing.assert_array_equal(np.sort(merges[:, 3]), np.sort(repeated[:, 3]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 14), st.data())
def test_cuts_are_those_of_scipy_and_numbered_by_their_first_cluster(seed, k, data):
    centres = np.random.default_rng(seed).normal(size=(k, 3))
    wanted = data.draw(st.integers(1, k))
    groups = cut_tree(ward_tree(centres, np.ones(k, dtype=int)), wanted)
    assert len(set(groups)) == wanted
    firsts = [groups.tolist().index(group) for group in range(wanted)]
    assert firsts == sorted(firsts)
    if k > 1:
        theirs = fcluster(linkage(centres, "ward"), wanted, "maxclust") - 1
        assert wanted in (1, k) or ari(contingency(groups, theirs, wanted, wanted)) == pytest.approx(1)


def test_cuts_nest():
    centres = np.random.default_rng(0).normal(size=(20, 2))
    merges = ward_tree(centres, np.ones(20, dtype=int))
    for k in range(2, 20):
        fine, coarse = cut_tree(merges, k), cut_tree(merges, k - 1)
        assert all(len(set(coarse[fine == group])) == 1 for group in range(k))


def test_empty_clusters_have_their_place_too():
    merges = ward_tree(np.array([[0.0], [0.1], [9.0]]), np.array([0, 5, 5]))
    assert cut_tree(merges, 2).tolist() == [0, 0, 1]


def test_one_cluster_is_a_tree_without_merges():
    merges = ward_tree(np.zeros((1, 2)), np.array([3]))
    assert merges.shape == (0, 4)
    assert cut_tree(merges, 1).tolist() == [0]


@pytest.mark.parametrize("k", [0, 4])
def test_a_level_that_is_not_there_is_an_error(k):
    with pytest.raises(UserError, match="choose from 1 to 3"):
        cut_tree(ward_tree(np.eye(3), np.ones(3, dtype=int)), k)
