"""Transfer to images that may show several classes: right is what one of their labels says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import PERMUTATIONS, Ids, Int64, compare, describe_clusters
from clusterprobe.evaluate.metrics import contingency
from clusterprobe.evaluate.transfer import transfer_map

Labels = Sequence[tuple[int, ...]]


def evaluate_several_labels(
    train_clusters: Ids,
    train_labels: Int64,
    clusters: Ids,
    labels: Labels,
    k: int,
    label_map: Int64,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Score the clusters [M] of images with several labels each, given those [N] of the train split.

    label_map [S] holds for each class of the train split its class here, or -1. Images without a label of a
    class in the map are left out. acc: share of the others whose cluster leads, by the map of the train
    split, to one of their labels (ReaL accuracy, Beyer et al., arXiv 2006.07159, section 3.2); acc_val: the
    same by the map that counts, for each cluster and class, the images that have the label. What compares
    partitions (NMI, AMI, ARI) is of the images with one label alone. Raises UserError if nothing is left.
    """
    classes = int(label_map.max(initial=-1)) + 1
    if not classes:
        raise UserError("the label map joins no class of the two data sets: add pairs of classes to it")
    overlap = np.unique(label_map[label_map >= 0])
    shows = _matrix(labels, classes)
    shows[:, np.setdiff1d(np.arange(classes), overlap)] = False
    kept = shows.any(axis=1)
    if not kept.any():
        raise UserError("no image of the transfer set is of a class in the label map: check the map")
    clusters, shows = np.asarray(clusters)[kept], shows[kept]
    single = np.array([len(of_one) == 1 for of_one in labels])[kept]
    scores = describe_clusters(clusters, k)
    if single.any():
        scores |= compare(contingency(clusters[single], shows[single].argmax(axis=1), k, classes))
    seen = shows[:, shows.any(axis=0)]  # a class without images takes no cluster
    scores["acc_val"] = _accuracy(clusters, seen, hungarian_then_greedy_map(_counts(clusters, seen, k)))
    if not (train_labels >= 0).any():
        return scores

    def score(some_train_labels: Int64, some_shows: npt.NDArray[np.bool_]) -> float:
        fitted = contingency(train_clusters, some_train_labels, k, len(label_map))
        return _accuracy(clusters, some_shows, transfer_map(hungarian_then_greedy_map(fitted), label_map))

    scores["acc"] = score(train_labels, shows)
    generator = np.random.default_rng(seed)
    known = np.flatnonzero(train_labels >= 0)
    chances = []
    for _ in range(PERMUTATIONS):
        permuted = train_labels.copy()
        permuted[known] = generator.permutation(train_labels[known])
        chances.append(score(permuted, shows[generator.permutation(len(shows))]))
    return scores | {"chance_acc": float(np.mean(chances))}


def _matrix(labels: Labels, classes: int) -> npt.NDArray[np.bool_]:
    """Return bool [M, classes]: which image has which label."""
    shows = np.zeros((len(labels), classes), dtype=np.bool_)
    for image, of_one in enumerate(labels):
        shows[image, [label for label in of_one if label < classes]] = True
    return shows


def _counts(clusters: Ids, shows: npt.NDArray[np.bool_], k: int) -> Int64:
    counts = np.zeros((k, shows.shape[1]), dtype=np.int64)
    np.add.at(counts, clusters, shows)
    return counts


def _accuracy(clusters: Ids, shows: npt.NDArray[np.bool_], mapping: Int64) -> float:
    predicted = mapping[clusters]
    return float((shows[np.arange(len(clusters)), predicted] & (predicted >= 0)).mean())
