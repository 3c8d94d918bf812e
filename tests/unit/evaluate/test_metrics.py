"""Metrics: equal to scikit-learn on any labelling, limiting cases included; names of clusters are free."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom
from sklearn import metrics as reference

from clusterprobe.cluster.matching import hungarian_map, hungarian_then_greedy_map, majority_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate import expected_information, metrics
from clusterprobe.evaluate.metrics import contingency

LABELLINGS = st.tuples(st.integers(1, 60), st.integers(1, 8), st.integers(1, 8)).flatmap(
    lambda shape: st.tuples(
        st.lists(st.integers(0, shape[1] - 1), min_size=shape[0], max_size=shape[0]),
        st.lists(st.integers(0, shape[2] - 1), min_size=shape[0], max_size=shape[0]),
    )
)


def table(clusters: list[int], labels: list[int]) -> np.ndarray:
    return contingency(np.array(clusters), np.array(labels), 8, 8)


PAIRS = {
    "nmi": reference.normalized_mutual_info_score,
    "nmi_geometric": lambda a, b: reference.normalized_mutual_info_score(a, b, average_method="geometric"),
    "ami": reference.adjusted_mutual_info_score,
    "ari": reference.adjusted_rand_score,
    "fowlkes_mallows": reference.fowlkes_mallows_score,
}


@pytest.mark.parametrize("name", PAIRS)
@settings(max_examples=80, deadline=None)
@given(LABELLINGS)
def test_equal_to_scikit_learn(name: str, labelling: tuple[list[int], list[int]]) -> None:
    clusters, labels = labelling
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = PAIRS[name](labels, clusters)
    assert getattr(metrics, name)(table(clusters, labels)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize(
    ("clusters", "labels"),
    [([0, 0, 0], [1, 1, 1]), ([0, 1, 2], [2, 1, 0]), ([0, 0, 0, 0], [0, 1, 2, 2]), ([0, 1, 2], [0, 0, 0])],
    ids=["one-one", "all-single", "one-cluster", "one-class"],
)
def test_limiting_cases(name: str, clusters: list[int], labels: list[int]) -> None:
    expected = PAIRS[name](labels, clusters)
    assert getattr(metrics, name)(table(clusters, labels)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3, 7, 20, 100])
@pytest.mark.parametrize("each", [1, 2, 50])
def test_a_perfect_match_is_one(classes: int, each: int) -> None:
    """Of single images too, where what is above chance is rounding alone."""
    counts = each * np.eye(classes, dtype=np.int64)[np.random.default_rng(0).permutation(classes)]
    assert metrics.ami(counts) == 1


@pytest.mark.parametrize("terms", [7, 2**21])
def test_expected_information_of_many_sizes(monkeypatch: pytest.MonkeyPatch, terms: int) -> None:
    """Thousands of rows, skewed margins with repeated sizes, in one part or in many."""
    monkeypatch.setattr(expected_information, "_TERMS", terms)
    generator = np.random.default_rng(0)
    clusters, labels = generator.geometric(0.05, 2000) % 60, generator.integers(20, size=2000) // 2
    counts = contingency(clusters, labels, 60, 20)
    expected = reference.adjusted_mutual_info_score(labels, clusters)
    assert metrics.ami(counts) == pytest.approx(expected, abs=1e-9)


def test_rare_overlaps_may_be_left_out_of_the_expected_information() -> None:
    """Margins from a single row to nearly all of a million: the same as with every possible overlap."""
    total, clusters, classes = 1_000_000, [1, 40, 999, 98_960, 900_000], [7, 3_000, 246_993, 250_000, 500_000]
    counts = np.zeros((len(clusters) + 1, len(classes)), dtype=np.int64)
    counts[: len(clusters), 0] = clusters  # the margins are all that counts
    counts[-1] = -sum(clusters), *classes[1:]
    counts[-1, 0] += classes[0]
    assert counts.sum() == total
    expected = 0.0
    for a in clusters:
        for b in classes:
            n = np.arange(max(1, a + b - total), min(a, b) + 1)
            information = n / total * (np.log(n) + np.log(total) - np.log(a) - np.log(b))
            expected += float(information @ hypergeom(total, a, b).pmf(n))
    found = expected_information.expected_mutual_information(counts)
    assert found == pytest.approx(expected, abs=1e-12, rel=1e-9)


def test_independent_labels_score_nothing_once_adjusted() -> None:
    generator = np.random.default_rng(0)
    counts = contingency(generator.integers(300, size=5000), generator.integers(100, size=5000), 300, 100)
    assert abs(metrics.ami(counts)) < 0.02
    assert abs(metrics.ari(counts)) < 0.002
    assert metrics.nmi(counts) > 0.3


def test_pairs_do_not_overflow() -> None:
    counts = np.diag([10**6] * 3) + 1
    assert metrics.ari(counts) == pytest.approx(1, abs=1e-4)
    assert metrics.fowlkes_mallows(counts) == pytest.approx(1, abs=1e-4)


@settings(max_examples=40, deadline=None)
@given(LABELLINGS, st.permutations(range(8)))
def test_names_of_clusters_do_not_matter(labelling: tuple[list[int], list[int]], names: list[int]) -> None:
    clusters, labels = labelling
    before, after = table(clusters, labels), table([names[cluster] for cluster in clusters], labels)
    for name in PAIRS:
        function = getattr(metrics, name)
        assert function(after) == pytest.approx(function(before), abs=1e-12)
    for fit in (hungarian_map, majority_map):
        assert metrics.accuracy(after, fit(after)) == metrics.accuracy(before, fit(before))


def test_published_accuracy() -> None:
    counts = np.array([[5, 1, 0], [4, 3, 0], [0, 2, 2], [0, 0, 6], [3, 0, 1]])
    assert metrics.accuracy(counts, hungarian_then_greedy_map(counts)) == pytest.approx(0.703704, abs=1e-6)
    assert metrics.accuracy(counts, majority_map(counts)) == pytest.approx(0.740741, abs=1e-6)


def test_published_scan_evaluation() -> None:
    """Six classes of three images, as the evaluation code of SCAN scores them."""
    predictions = np.array([3, 3, 0, 1, 1, 1, 2, 0, 2, 0, 0, 0, 4, 4, 5, 5, 5, 5])
    counts = contingency(predictions, np.repeat(np.arange(6), 3), 6, 6)
    mapping = hungarian_map(counts)
    assert mapping.tolist() == [3, 1, 2, 0, 4, 5]
    assert metrics.accuracy(counts, mapping) == pytest.approx(0.833333, abs=1e-6)
    assert metrics.ari(counts) == pytest.approx(0.540541, abs=1e-6)
    assert metrics.nmi(counts) == pytest.approx(0.798686, abs=1e-6)


def test_unmapped_clusters_are_wrong() -> None:
    counts = np.array([[3, 0], [0, 5]])
    assert metrics.accuracy(counts, np.array([0, -1])) == 3 / 8


def test_contingency_leaves_unknown_labels_out() -> None:
    counts = contingency(np.array([0, 0, 1, 2], np.int32), np.array([1, -1, 0, -1]), 3, 2)
    assert counts.tolist() == [[0, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(("clusters", "labels"), [([0, 3], [0, 0]), ([-1, 0], [0, 0]), ([0, 0], [0, 2])])
def test_ids_out_of_range_are_refused(clusters: list[int], labels: list[int]) -> None:
    with pytest.raises(UserError, match="ids run from"):
        contingency(np.array(clusters), np.array(labels), 3, 2)


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(UserError, match="2 clusters but 3 labels"):
        contingency(np.zeros(2, int), np.zeros(3, int), 1, 1)


def test_sizes_of_clusters() -> None:
    sizes = np.array([6, 0, 2])
    assert (metrics.clusters_used(sizes), metrics.largest_share(sizes)) == (2, 0.75)
    assert metrics.entropy(sizes) == pytest.approx(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert metrics.entropy(np.array([4, 4, 4, 4])) == pytest.approx(math.log(4))
    assert metrics.entropy(np.array([9])) == 0


def test_neighbour_purity_by_hand() -> None:
    neighbours = np.array([[1, 2], [0, 2], [3, 1], [2, 0]])
    assert metrics.neighbour_purity(neighbours, np.array([0, 0, 1, 1]), [1, 2]) == {1: 1.0, 2: 0.5}


def test_neighbour_purity_without_labels() -> None:
    """Rows 2 and 3 are unlabelled: two pairs are left of the first neighbours, and both agree."""
    neighbours = np.array([[1, 2], [0, 2], [3, 1], [2, 0]])
    assert metrics.neighbour_purity(neighbours, np.array([0, 0, -1, -1]), [1, 2]) == {1: 1.0, 2: 1.0}
    assert metrics.neighbour_purity(neighbours, np.full(4, -1), [1]) == {}


def test_neighbour_purity_of_too_many() -> None:
    with pytest.raises(UserError, match="purity at 3"):
        metrics.neighbour_purity(np.array([[1], [0]]), np.array([0, 0]), [1, 3])
