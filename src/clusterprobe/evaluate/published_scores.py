"""Scores as the reference code of arXiv 2008.10312 has them: for its deviations, and for nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from clusterprobe.cluster.matching import hungarian_then_greedy_map
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


def double_counted_recall(counts: Int64, mapping: Int64, inside: Int64) -> float:
    """Return the share of the images of the classes `inside` whose cluster is mapped [K] to their class.

    counts [K, C]. The images of a class are counted once for each cluster that is mapped to it, which halves
    the recall where two clusters share every class (cluster.py, line 170); it is right where the map is one
    to one. NaN if no cluster is mapped to one of the classes.
    """
    clusters = np.flatnonzero(np.isin(mapping, inside))
    images = counts.sum(axis=0)[mapping[clusters]].sum()
    return float(counts[clusters, mapping[clusters]].sum() / images) if images else float("nan")
