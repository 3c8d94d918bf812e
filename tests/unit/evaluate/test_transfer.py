"""Transfer: a clustering is scored on other images, through a map between the classes."""

from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.evaluate.transfer import evaluate_transfer, transfer_map

# Train: cluster i is class i, 4 classes. Transfer set: 5 classes. Train classes 0 and 1 are its class 3,
# train class 2 is its class 1, train class 3 has no counterpart; its classes 0, 2 and 4 have none either.
TRAIN = np.repeat(np.arange(4), 10)
CLASS_MAP = np.array([3, 3, 1, -1])


def score(clusters: list[int], labels: list[int], label_map: np.ndarray = CLASS_MAP) -> dict[str, float]:
    return evaluate_transfer(TRAIN, TRAIN, np.array(clusters), np.array(labels), 4, label_map)


def test_accuracy_by_hand() -> None:
    """Six images overlap; two in cluster 3, whose class has no counterpart, are wrong; one is misplaced."""
    scores = score([0, 1, 2, 2, 3, 3, 0, 1], [3, 3, 1, 3, 3, 1, 0, 4])
    assert scores["acc"] == 3 / 6
    assert scores["acc_val"] == 4 / 6
    assert scores["clusters_used"] == 4
    assert scores["largest_share"] == pytest.approx(2 / 6)


def test_images_of_other_classes_do_not_count() -> None:
    few = score([0, 1, 2, 2], [3, 3, 1, 3])
    assert few == score([0, 1, 2, 2, 3, 3, 3], [3, 3, 1, 3, 0, 2, -1])


def test_the_reference_map_ignores_classes_without_images() -> None:
    """Three clusters, all of one class: empty classes must not take two of them."""
    scores = evaluate_transfer(TRAIN, TRAIN, np.array([0, 1, 2]), np.array([3, 3, 3]), 4, CLASS_MAP)
    assert scores["acc_val"] == 1


def test_the_same_classes_give_the_scores_of_an_ordinary_split() -> None:
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(4, size=80), generator.integers(4, size=80)
    ordinary = evaluate_assignments(TRAIN, TRAIN, clusters, labels, 4, 4)
    transferred = score(clusters.tolist(), labels.tolist(), np.arange(4))
    del ordinary["acc_majority"]
    assert transferred == ordinary


def test_chance_goes_through_the_label_map() -> None:
    """1000 clusters and classes, 10 of them with a counterpart: chance is the share of mapped clusters that
    point at the right class, about 1 % x 1/10; restricting the clusters to those would give 10 %."""
    train = np.repeat(np.arange(100), 20)
    label_map = np.where(np.arange(100) < 10, np.arange(100), -1)
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(10), 100)
    scores = evaluate_transfer(train, train, generator.integers(100, size=1000), labels, 100, label_map)
    assert 0.004 < scores["chance_acc"] < 0.02


@pytest.mark.parametrize(("k", "chance"), [(250, 0.049), (1000, 0.099)])
def test_published_chance_of_the_map_of_the_transfer_set(k: int, chance: float) -> None:
    """18,574 images of 113 of the 313 classes of ObjectNet, independent of their clusters.

    Solved over the 200 classes without images, too, the map would get 0.023 and 0.080.
    """
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(k, size=18_574), generator.integers(113, size=18_574)
    train = np.arange(k)
    label_map = np.where(train < 113, train + 200, -1)
    scores = evaluate_transfer(train, train, clusters, labels + 200, k, label_map)
    assert scores["acc_val"] == pytest.approx(chance, rel=0.1)


def test_without_labels_the_rest_remains() -> None:
    label_free = {"clusters_used", "largest_share", "entropy"}
    assert set(score([0, 1, 2], [-1, -1, -1])) == label_free
    assert set(score([0, 1, 2], [0, 1, 2], np.zeros(0, np.int64))) == label_free
    unknown = evaluate_transfer(TRAIN, np.full(40, -1), np.array([0, 1]), np.array([3, 1]), 4, CLASS_MAP)
    assert set(unknown) == label_free | {"nmi", "nmi_geometric", "ami", "ari", "fm", "acc_val"}


def test_no_common_class_is_refused() -> None:
    with pytest.raises(UserError, match="joins no class"):
        score([0], [3], np.full(4, -1))
    with pytest.raises(UserError, match="no image of the transfer set"):
        score([0, 1], [0, 2])


def test_maps_are_followed_one_after_the_other() -> None:
    assert transfer_map(np.array([2, -1, 1, 0]), np.array([3, -1, 1])).tolist() == [1, -1, -1, 3]
