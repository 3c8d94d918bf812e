"""Scores of a clustering: which split fits the map, what chance gets, what unlabelled images do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import confusion, evaluate_assignments, top_confusions

LABEL_FREE = {"clusters_used", "largest_share", "entropy"}
COMPARED = {"nmi", "nmi_geometric", "ami", "ari", "fm"}


def rows_of(counts: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Clusters and labels with the given counts [K, C]."""
    table = np.array(counts)
    cells = np.repeat(np.arange(table.size), table.ravel())
    return (cells // table.shape[1]).astype(np.int32), cells % table.shape[1]


def test_published_example() -> None:
    clusters, labels = rows_of([[5, 1, 0], [4, 3, 0], [0, 2, 2], [0, 0, 6], [3, 0, 1]])
    scores = evaluate_assignments(clusters, labels, clusters, labels, 5, 3)
    assert scores["acc"] == scores["acc_val"] == pytest.approx(0.703704, abs=1e-6)
    assert scores["acc_majority"] == pytest.approx(0.740741, abs=1e-6)
    uneven = {"acc_class_mean", "acc_few", "ami_balanced"}  # its classes differ in size
    assert set(scores) == LABEL_FREE | COMPARED | uneven | {"acc", "acc_val", "acc_majority", "chance_acc"}


def test_scan_evaluation() -> None:
    predictions = np.array([3, 3, 0, 1, 1, 1, 2, 0, 2, 0, 0, 0, 4, 4, 5, 5, 5, 5])
    labels = np.repeat(np.arange(6), 3)
    scores = evaluate_assignments(predictions, labels, predictions, labels, 6, 6)
    assert scores["acc_val"] == pytest.approx(0.833333, abs=1e-6)
    assert scores["ari"] == pytest.approx(0.540541, abs=1e-6)
    assert scores["nmi"] == pytest.approx(0.798686, abs=1e-6)


def test_the_map_comes_from_the_train_split() -> None:
    """The evaluated split alone would swap the classes."""
    train, test = rows_of([[9, 1], [1, 9]]), rows_of([[1, 3], [4, 2]])
    scores = evaluate_assignments(*train, *test, 2, 2)
    assert (scores["acc"], scores["acc_val"], scores["acc_majority"]) == (0.3, 0.7, 0.3)


def test_the_majority_map_comes_from_the_train_split() -> None:
    train, test = rows_of([[9, 8], [7, 0]]), rows_of([[1, 3], [4, 2]])
    scores = evaluate_assignments(*train, *test, 2, 2)
    assert (scores["acc"], scores["acc_majority"]) == (0.7, 0.5)


def test_unlabelled_images_count_only_where_no_label_is_needed() -> None:
    clusters, labels = rows_of([[5, 1], [2, 6]])
    full = evaluate_assignments(clusters, labels, clusters, labels, 3, 2)
    more = np.concatenate([clusters, np.full(14, 2, np.int32)])
    unknown = np.concatenate([labels, np.full(14, -1)])
    scores = evaluate_assignments(more, unknown, more, unknown, 3, 2)
    for name in COMPARED | {"acc", "acc_val", "acc_majority"}:
        assert scores[name] == full[name]
    assert (scores["clusters_used"], scores["largest_share"]) == (3, 0.5)


def test_without_labels_the_rest_remains() -> None:
    clusters = np.array([0, 0, 1, 3])
    unknown = np.full(4, -1)
    assert set(evaluate_assignments(clusters, unknown, clusters, unknown, 4, 0)) == LABEL_FREE
    scores = evaluate_assignments(clusters, unknown, clusters, np.array([0, 0, 1, 1]), 4, 2)
    assert set(scores) == LABEL_FREE | COMPARED | {"acc_val"}


def test_chance_is_what_independent_labels_get() -> None:
    """Ten equal clusters and classes: 10 % to expect, 100 % for the true labels, and a bit more where the map
    is fitted on the few images that are scored."""
    labels = np.repeat(np.arange(10), 300)
    scores = evaluate_assignments(labels, labels, labels, labels, 10, 10)
    assert scores["acc"] == 1
    assert 0.09 < scores["chance_acc"] < 0.14
    again = evaluate_assignments(labels, labels, labels, labels, 10, 10)
    other = evaluate_assignments(labels, labels, labels, labels, 10, 10, seed=1)
    assert again == scores
    assert other["chance_acc"] != scores["chance_acc"]


@pytest.mark.parametrize(("k", "chance"), [(313, 0.021), (469, 0.027)])
def test_published_chance_of_the_map_of_the_evaluated_split(k: int, chance: float) -> None:
    """50,273 images of 313 classes, independent of their clusters."""
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(k, size=50_273), generator.integers(313, size=50_273)
    scores = evaluate_assignments(clusters, labels, clusters, labels, k, 313)
    assert scores["acc_val"] == pytest.approx(chance, rel=0.1)
    assert abs(scores["ami"]) < 0.01


def test_chance_of_the_fitted_split_is_what_its_own_random_clusters_get() -> None:
    """The map is fitted on the labels that are scored: far above 1 / 313, as published for ObjectNet."""
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(313, size=18_574), generator.integers(313, size=18_574)
    scores = evaluate_assignments(clusters, labels, clusters, labels, 313, 313, one_split=True)
    assert scores["chance_acc"] == pytest.approx(scores["acc"], rel=0.1)
    assert scores["chance_acc"] > 8 / 313
    apart = evaluate_assignments(clusters, labels, clusters, labels, 313, 313)
    assert apart["chance_acc"] == pytest.approx(1 / 313, rel=0.5)


def test_chance_follows_the_largest_class() -> None:
    labels = np.repeat([0, 1], [900, 100])
    clusters = np.random.default_rng(0).integers(20, size=1000)
    scores = evaluate_assignments(clusters, labels, clusters, labels, 20, 2)
    assert 0.8 < scores["chance_acc"] < 0.92


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.permutations(range(5)))
def test_names_of_clusters_do_not_matter(seed: int, names: list[int]) -> None:
    generator = np.random.default_rng(seed)
    labels, clusters = generator.integers(4, size=90), generator.integers(5, size=90)
    clusters = np.where(generator.random(90) < 0.7, labels, clusters)
    renamed = np.array(names)[clusters]
    before = evaluate_assignments(clusters, labels, clusters, labels, 5, 4)
    after = evaluate_assignments(renamed, labels, renamed, labels, 5, 4)
    for name in LABEL_FREE | COMPARED | {"acc_majority"}:
        assert after[name] == pytest.approx(before[name], abs=1e-12)


def test_an_empty_split_is_refused() -> None:
    nothing = np.zeros(0, np.int64)
    with pytest.raises(UserError, match="the split is empty"):
        evaluate_assignments(nothing, nothing, nothing, nothing, 2, 2)


def test_confusion_by_hand() -> None:
    clusters = np.array([0, 1, 1, 2, 2, 3])
    labels = np.array([0, 0, 1, 1, -1, 1])
    counts = confusion(clusters, labels, np.array([0, 1, 0, -1]), 2)
    assert counts.tolist() == [[1, 1], [1, 1]]


def test_top_confusions_are_the_largest_errors() -> None:
    counts = np.array([[90, 7, 3], [0, 5, 5], [7, 0, 0]])
    found = top_confusions(counts, 3)
    assert [tuple(entry) for entry in found] == [(0, 1, 7, 0.07), (2, 0, 7, 1.0), (1, 2, 5, 0.5)]
    assert len(top_confusions(counts, 100)) == 4
    assert top_confusions(np.diag([3, 4]), 5) == []
