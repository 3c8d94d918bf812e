"""Scores of a clustering on a data set that it was not fitted on, through a map between the classes."""

from __future__ import annotations

import numpy as np

from clusterprobe.cluster.matching import UNMAPPED, hungarian_then_greedy_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import Ids, Int64, chance, compare, describe_clusters
from clusterprobe.evaluate.metrics import accuracy, contingency


def evaluate_transfer(
    train_clusters: Ids,
    train_labels: Int64,
    transfer_clusters: Ids,
    transfer_labels: Int64,
    k: int,
    label_map: Int64,
    *,
    seed: int = 0,
) -> dict[str, float]:
    """Score the clusters [M] of a transfer set, given those [N] of the train split.

    label_map [S] holds for each class of the train split its class in the transfer set, or -1. Only transfer
    images of the overlapping classes count. acc is ACC-tr of arXiv 2008.10312, table 3: cluster -> train
    class -> transfer class, where clusters without a counterpart are always wrong; acc_val: Hungarian, then
    greedy map of the transfer images, over their own classes only: a class without images takes no cluster.
    Without labels or classes, only the scores that need none are returned, over all images. Raises UserError
    if no class or no labelled image overlaps.
    """
    if len(label_map) == 0 or not (transfer_labels >= 0).any():
        return describe_clusters(transfer_clusters, k)
    overlap = np.unique(label_map[label_map >= 0])
    if len(overlap) == 0:
        raise UserError("the label map joins no class of the two data sets: add pairs of classes to it")
    kept = np.isin(transfer_labels, overlap)
    if not kept.any():
        raise UserError(
            "no image of the transfer set is of a class in the label map: check the names in the map"
        )
    clusters, labels = transfer_clusters[kept], transfer_labels[kept]
    classes = int(overlap.max()) + 1
    counts = contingency(clusters, labels, k, classes)
    scores = describe_clusters(clusters, k) | compare(counts)
    columns = counts[:, counts.any(axis=0)]
    scores["acc_val"] = accuracy(columns, hungarian_then_greedy_map(columns))
    if not (train_labels >= 0).any():
        return scores

    def score(some_train_labels: Int64, some_labels: Int64) -> float:
        fitted = contingency(train_clusters, some_train_labels, k, len(label_map))
        mapping = transfer_map(hungarian_then_greedy_map(fitted), label_map)
        return accuracy(contingency(clusters, some_labels, k, classes), mapping)

    scores["acc"] = score(train_labels, labels)
    scores["chance_acc"] = chance(score, train_labels, labels, seed)
    return scores


def transfer_map(mapping: Int64, label_map: Int64) -> Int64:
    """Follow a map [K] from clusters to train classes by one [S] from those to transfer classes."""
    return np.where(mapping == UNMAPPED, UNMAPPED, label_map[mapping])
