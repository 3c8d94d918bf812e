from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clusterprobe.cluster.equipartition import cluster_sizes, equipartition
from clusterprobe.cluster.sinkhorn import assign, scale, scores


def logits(rows: int, clusters: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, clusters)).astype(np.float32)


def total(table: np.ndarray, labels: np.ndarray) -> float:
    return float(table[np.arange(len(table)), labels].sum())


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 9), st.integers(1, 20))
def test_every_cluster_has_floor_or_ceil(seed, rows, clusters, size):
    table = logits(rows, clusters, seed)
    blocks = [table[first : first + size] for first in range(0, rows, size)]
    labels = equipartition(lambda: blocks, 10.0, np.zeros(clusters))
    sizes = np.bincount(labels, minlength=clusters)
    assert sizes.sum() == rows
    assert set(sizes) <= {rows // clusters, -(-rows // clusters)}
    whole = equipartition(lambda: [table], 10.0, np.zeros(clusters))
    assert (labels == whole).all(), "reading in blocks changes nothing"


def test_where_the_arg_max_has_these_sizes_it_stays():
    table = np.tile(5 * np.eye(4, dtype=np.float32), (5, 1)) + 0.1 * logits(20, 4)
    labels = equipartition(lambda: [table], 1.0, np.zeros(4))
    assert (labels == assign(lambda: [table], 1.0, np.zeros(4))).all()


@pytest.mark.parametrize("seed", range(5))
def test_it_is_near_to_the_best_labelling_with_these_sizes(seed):
    table = logits(60, 5, seed)
    scaling = scale(lambda: [table], 5, power=50.0, max_iterations=20000).log_scaling
    labels = equipartition(lambda: [table], 50.0, scaling)
    places = np.repeat(np.arange(5), 12)
    rows, columns = linear_sum_assignment(-table[:, places])
    best = total(table[rows], places[columns])
    assert 0.98 * best < total(table, labels) <= best + 1e-4
    unbalanced = total(table, table.argmax(axis=1))
    assert unbalanced > best, "there is something to lose"


def test_an_over_full_cluster_lets_go_of_the_rows_that_lose_least():
    table = np.array([[9, 0], [5, 4], [8, 0], [7, 0]], dtype=np.float32)
    labels = equipartition(lambda: [table], 1.0, np.zeros(2))
    regret = np.ptp(scores(table, 1.0, np.zeros(2)), axis=1)
    assert labels.tolist() == [0, 1, 0, 1]
    assert regret[labels == 0].min() > regret[labels == 1].max()


def test_given_shares():
    labels = equipartition(lambda: [logits(40, 3)], 1.0, np.zeros(3), shares=[2, 1, 1])
    assert np.bincount(labels).tolist() == [20, 10, 10]


def test_the_larger_sizes_go_where_more_rows_want_to_be():
    assert cluster_sizes(np.array([1, 5, 5]), np.full(3, 1 / 3)).tolist() == [3, 4, 4]
    assert cluster_sizes(np.array([4, 0, 0, 0]), np.array([0.5, 0.25, 0.125, 0.125])).sum() == 4
    assert cluster_sizes(np.array([0, 8, 0]), np.array([0.25, 0.5, 0.25])).tolist() == [2, 4, 2]


def test_equal_logits_are_dealt_out():
    labels = equipartition(lambda: [np.zeros((11, 4), dtype=np.float32)], 25.0, np.zeros(4))
    assert sorted(np.bincount(labels, minlength=4)) == [2, 3, 3, 3]
