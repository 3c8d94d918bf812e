"""Images with several labels: one of them is right, those without any do not count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.metrics import contingency
from clusterprobe.evaluate.several_labels import evaluate_several_labels
from clusterprobe.evaluate.transfer import evaluate_transfer

TRAIN = np.repeat(np.arange(4), 10)
SAME = np.arange(4)


def score(clusters: list[int], labels: list[tuple[int, ...]], label_map=SAME) -> dict[str, float]:
    return evaluate_several_labels(TRAIN, TRAIN, np.array(clusters), labels, 4, label_map)


def test_by_hand() -> None:
    """Right by its first label, right by its second, wrong, left out."""
    scores = score([0, 1, 2, 3], [(0,), (3, 1), (0, 1), ()])
    assert scores["acc"] == pytest.approx(2 / 3)
    assert scores["clusters_used"] == 3


def test_the_map_of_the_set_itself_counts_an_image_once() -> None:
    """Cluster 0 holds images of class 1, some also of class 2: it is mapped to 1, and all are right."""
    scores = score([0, 0, 0, 1], [(1,), (1, 2), (2, 1), (3,)])
    assert scores["acc_val"] == 1
    assert scores["acc"] == 0


def test_single_labels_give_the_scores_of_ordinary_transfer() -> None:
    generator = np.random.default_rng(0)
    clusters, labels = generator.integers(4, size=60), generator.integers(4, size=60)
    label_map = np.array([1, 0, -1, 3])
    ordinary = evaluate_transfer(TRAIN, TRAIN, clusters, labels, 4, label_map)
    several = score(clusters.tolist(), [(label,) for label in labels.tolist()], label_map)
    assert several.keys() == ordinary.keys()
    for metric in ordinary.keys() - {"chance_acc"}:
        assert several[metric] == pytest.approx(ordinary[metric]), metric
    assert several["chance_acc"] == pytest.approx(ordinary["chance_acc"], abs=0.15)


@given(st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(0, 3))), min_size=1, max_size=30))
def test_against_a_loop(images: list[tuple[int, set[int]]]) -> None:
    labels = [tuple(sorted(of_one)) for _, of_one in images]
    kept = [(cluster, of_one) for cluster, of_one in images if of_one]
    if not kept:
        with pytest.raises(UserError, match="no image of the transfer set"):
            score([cluster for cluster, _ in images], labels)
        return
    scores = score([cluster for cluster, _ in images], labels)
    mapping = hungarian_then_greedy_map(contingency(TRAIN, TRAIN, 4, 4))
    assert scores["acc"] == pytest.approx(np.mean([mapping[cluster] in of_one for cluster, of_one in kept]))


def test_images_of_other_classes_do_not_count() -> None:
    """Only class 0 of the train split has a counterpart: an image of class 2 is none of the question."""
    scores = score([0, 1], [(0, 2), (2,)], np.array([0, -1, -1, -1]))
    assert scores["acc"] == 1
    with pytest.raises(UserError, match="joins no class"):
        score([0], [(0,)], np.full(4, -1))


def test_without_train_labels_there_is_no_train_map() -> None:
    scores = evaluate_several_labels(TRAIN, np.full(40, -1), np.array([0, 1]), [(0,), (1, 2)], 4, SAME)
    assert {"acc", "chance_acc"}.isdisjoint(scores)
    assert scores["acc_val"] == 1
