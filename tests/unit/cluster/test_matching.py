"""Maps from clusters to classes: worked examples and properties."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clusterprobe.cluster.matching import hungarian_map, hungarian_then_greedy_map, majority_map

# 5 clusters, 3 classes; maps and accuracies as the published evaluation code returns them
FIVE_BY_THREE = np.array([[5, 1, 0], [4, 3, 0], [0, 2, 2], [0, 0, 6], [3, 0, 1]])

TABLES = st.tuples(st.integers(1, 6), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.int64, shape, elements=st.integers(0, 20))
)


def gain(counts: np.ndarray, mapping: np.ndarray) -> int:
    mapped = np.flatnonzero(mapping >= 0)
    return int(counts[mapped, mapping[mapped]].sum())


def test_published_example() -> None:
    assert hungarian_then_greedy_map(FIVE_BY_THREE).tolist() == [0, 1, 1, 2, 0]
    assert majority_map(FIVE_BY_THREE).tolist() == [0, 0, 1, 2, 0]
    assert hungarian_map(FIVE_BY_THREE).tolist() == [0, 1, -1, 2, -1]


def test_hungarian_is_not_the_majority() -> None:
    counts = np.array([[9, 8], [7, 0]])
    assert hungarian_map(counts).tolist() == [1, 0]
    assert majority_map(counts).tolist() == [0, 0]


def test_fewer_clusters_than_classes() -> None:
    counts = np.array([[1, 0, 7], [2, 0, 8]])
    assert hungarian_map(counts).tolist() == hungarian_then_greedy_map(counts).tolist() == [2, 0]


def test_ties_go_to_the_lower_class() -> None:
    assert majority_map(np.array([[0, 3, 3], [0, 0, 0]])).tolist() == [1, 0]


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_hungarian_is_the_best_one_to_one_map(counts: np.ndarray) -> None:
    k, classes = counts.shape
    mapping = hungarian_map(counts)
    mapped = mapping[mapping >= 0]
    assert len(mapped) == len(set(mapped.tolist())) == min(k, classes)
    wide = counts if k <= classes else counts.T
    best = max(
        sum(wide[row, column] for row, column in enumerate(choice))
        for choice in permutations(range(wide.shape[1]), wide.shape[0])
    )
    assert gain(counts, mapping) == best


@settings(max_examples=60, deadline=None)
@given(TABLES)
def test_each_map_gains_at_least_as_much_as_the_stricter_one(counts: np.ndarray) -> None:
    strict, greedy = hungarian_map(counts), hungarian_then_greedy_map(counts)
    assert gain(counts, strict) <= gain(counts, greedy) <= gain(counts, majority_map(counts))
    assert (greedy[strict >= 0] == strict[strict >= 0]).all()
    assert (greedy >= 0).all()
