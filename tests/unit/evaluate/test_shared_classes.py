from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.evaluate.metrics import accuracy, contingency
from clusterprobe.evaluate.shared_classes import recall_by_share

CLASSES = ["ant", "bee", "cat", "dog"]


def test_by_hand() -> None:
    """Clusters 0 to 3 are the classes; of the ants and bees 3 of 4 are right, of the others 1 of 2."""
    train = np.repeat(np.arange(4), 5)
    clusters, labels = np.array([0, 0, 1, 3, 2, 3]), np.array([0, 0, 1, 1, 2, 2])
    found = recall_by_share(train, train, clusters, labels, 4, CLASSES, {"ant", "bee"})
    assert found == {"recall_shared": 0.75, "recall_unshared": 0.5}


def test_the_two_recalls_weighted_by_their_images_are_the_accuracy() -> None:
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(6, size=200), generator.integers(-1, 4, size=200)
    found = recall_by_share(clusters, labels, clusters, labels, 6, CLASSES, {"cat"})
    counts = contingency(clusters, labels, 6, 4)
    acc = accuracy(counts, hungarian_then_greedy_map(counts))
    share = (labels == 2).sum() / (labels >= 0).sum()
    weighted = share * found["recall_shared"] + (1 - share) * found["recall_unshared"]
    assert weighted == pytest.approx(acc)


def test_the_published_recalls_fit_the_published_accuracy() -> None:
    """41.36 % of 18,574 images and 15.81 % of the other 31,699 are 25.25 % of all."""
    assert pytest.approx(25.25, abs=0.005) == (18_574 * 41.36 + 31_699 * 15.81) / 50_273


def test_a_group_without_images_has_no_value() -> None:
    labels = np.array([0, 1])
    assert recall_by_share(labels, labels, labels, labels, 4, CLASSES, CLASSES) == {"recall_shared": 1.0}
