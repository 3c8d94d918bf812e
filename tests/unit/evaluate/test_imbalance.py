from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, balanced_accuracy_score

from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.evaluate.imbalance import balanced_ami, class_scores, class_sizes, is_unbalanced
from clusterprobe.evaluate.metrics import ami, contingency

SIZES = np.array([120, 100, 99, 21, 20, 1])


def test_sizes_count_labelled_images():
    assert class_sizes(np.array([0, 2, 2, -1]), 4).tolist() == [1, 0, 2, 0]


@pytest.mark.parametrize(
    ("sizes", "unbalanced"),
    [([10, 10], False), ([10, 19], False), ([10, 20], True), ([0, 10], False), ([], False)],
)
def test_twice_as_many_images_are_unbalanced(sizes, unbalanced):
    assert is_unbalanced(np.array(sizes, dtype=np.int64)) == unbalanced


def test_every_class_counts_the_same_and_groups_go_by_train_images():
    labels = np.repeat(np.arange(6), [10, 30, 20, 10, 10, 10])
    shares = [1.0, 0.5, 0.8, 0.3, 0.2, 0.0]
    right = np.concatenate(
        [np.arange(size) < share * size for size, share in zip([10, 30, 20, 10, 10, 10], shares, strict=True)]
    )
    found = class_scores(np.append(right, True), np.append(labels, -1), SIZES, "knn")
    assert found == pytest.approx(
        {"knn_class_mean": np.mean(shares), "knn_many": 0.75, "knn_medium": 0.55, "knn_few": 0.1}
    )
    predicted = np.where(right, labels, (labels + 1) % 6)
    assert found["knn_class_mean"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert class_scores(right, labels, np.full(6, 50), "knn") == {}


def test_a_group_without_classes_and_a_class_without_images_are_left_out():
    found = class_scores(np.array([True, False]), np.array([0, 1]), np.array([50, 20, 60]), "acc")
    assert found == {"acc_class_mean": 0.5, "acc_medium": 1.0, "acc_few": 0.0}


def test_balanced_ami_of_classes_of_one_size_is_the_ami_and_a_large_class_does_not_rule_it():
    generator = np.random.default_rng(0)
    even = generator.integers(0, 9, (4, 3))
    even[0] += 40 - even.sum(axis=0)
    assert balanced_ami(even)["ami_balanced"] == pytest.approx(ami(even))
    labels = np.repeat(np.arange(3), [900, 50, 50])
    clusters = np.where(labels == 0, generator.integers(0, 2, 1000), labels + 1)
    counts = contingency(clusters, labels, 4, 3)
    expected = []
    for seed in range(30):
        draw = np.random.default_rng(seed)
        kept = np.concatenate([draw.permutation(np.flatnonzero(labels == name))[:50] for name in range(3)])
        expected.append(adjusted_mutual_info_score(labels[kept], clusters[kept]))
    found = balanced_ami(counts)
    assert found["ami_balanced"] == pytest.approx(np.mean(expected), abs=0.01)
    assert balanced_ami(counts) == found
    assert found["ami_balanced"] > ami(counts) + 0.2


def test_of_single_images_there_is_no_balanced_ami():
    """Ten classes, one of them with one image: drawn so, any clustering agrees perfectly, or not at all."""
    assert balanced_ami(np.diag([50] * 9 + [1])) == {}
    assert balanced_ami(np.diag([50] * 9 + [2])) == {"ami_balanced": 1.0}


def test_a_clustering_of_unbalanced_classes_is_scored_class_by_class():
    train = np.repeat(np.arange(3), [100, 40, 10])
    labels = np.repeat(np.arange(3), 10)
    clusters = labels.copy()
    clusters[-5:] = 0
    scores = evaluate_assignments(train, train, clusters, labels, 3, 3)
    assert scores["acc"] == pytest.approx(25 / 30)
    assert {name: scores[f"acc_{name}"] for name in ("class_mean", "many", "medium", "few")} == pytest.approx(
        {"class_mean": 25 / 30, "many": 1, "medium": 1, "few": 0.5}
    )
    assert scores["ami_balanced"] == pytest.approx(scores["ami"])
    even = evaluate_assignments(labels, labels, clusters, labels, 3, 3)
    assert not {"acc_class_mean", "ami_balanced"} & even.keys()
