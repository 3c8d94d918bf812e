"""Scores as the reference code of arXiv 2008.10312 has them: for its deviations, and for nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np

from clusterprobe.cluster.matching import UNMAPPED, hungarian_then_greedy_map
from clusterprobe.evaluate.clustering import Ids, Int64
from clusterprobe.evaluate.metrics import accuracy, contingency


def scrambled_labels(labels: Int64, classes: Sequence[str]) -> Int64:
    """Return labels [N] as positions in an unsorted listing of the folders of `classes`; -1 stays.

    Label maps go by sorted positions (generate_prediction_tf.py, lines 59-60 and 99, against its PyTorch
    twin). How the folders were listed is not known: here as a file system lists them that keeps names by
    their hash.
    """
    order = sorted(range(len(classes)), key=lambda index: hashlib.sha256(classes[index].encode()).digest())
    position = np.empty(len(classes), dtype=np.int64)
    position[order] = np.arange(len(classes))
    known = labels >= 0
    scrambled: Int64 = labels.copy()
    scrambled[known] = position[labels[known]]
    return scrambled


def acc_val_with_empty_columns(clusters: Ids, labels: Int64, k: int, label_map: Int64, classes: int) -> float:
    """Return ACC-val of a transfer set with all its `classes`, also those without an image, in the matching.

    Clusters that are matched to an empty class are always wrong, and take no part in the greedy rest
    (get_cost_matrix_objectnet: 313 columns, 200 of them empty). Only images of the classes that label_map [S]
    points at count, as in `transfer.evaluate_transfer`.
    """
    kept = np.isin(labels, np.unique(label_map[label_map >= 0]))
    counts = contingency(clusters[kept], labels[kept], k, classes)
    return accuracy(counts, hungarian_then_greedy_map(counts))


def double_counted_recall(
    train_clusters: Ids,
    train_labels: Int64,
    clusters: Ids,
    labels: Int64,
    k: int,
    classes: Sequence[str],
    shared: Collection[str],
) -> dict[str, float]:
    """Return recall_shared and recall_unshared of the classes in `shared` and of the others, as published.

    The images of a class are counted once for each cluster that is mapped to it (cluster.py, line 170), which
    halves the recall where two clusters share every class; it is right where the map is one to one. A group
    that no cluster is mapped to has no value.
    """
    mapping = hungarian_then_greedy_map(contingency(train_clusters, train_labels, k, len(classes)))
    counts = contingency(clusters, labels, k, len(classes))
    inside = np.array([name in shared for name in classes])
    scores = {}
    for metric, group in (("recall_shared", inside), ("recall_unshared", ~inside)):
        chosen = np.flatnonzero((mapping != UNMAPPED) & group[mapping])
        images = counts.sum(axis=0)[mapping[chosen]].sum()
        if images:
            scores[metric] = float(counts[chosen, mapping[chosen]].sum() / images)
    return scores
