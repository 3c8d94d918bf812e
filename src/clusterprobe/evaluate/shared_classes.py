"""Recall of the classes that another data set has, too, beside that of those it has not."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.evaluate.clustering import Ids, Int64
from clusterprobe.evaluate.metrics import accuracy, contingency


def recall_by_share(
    train_clusters: Ids,
    train_labels: Int64,
    clusters: Ids,
    labels: Int64,
    k: int,
    classes: Sequence[str],
    shared: Collection[str],
) -> dict[str, float]:
    """Return the share of images whose cluster is mapped to their class, among two groups of them.

    recall_shared: images of the classes in `shared`; recall_unshared: of all others. One map from clusters to
    classes serves both, that of acc: fitted on the labels [N] of the train split over all classes (arXiv
    2008.10312, section 3, where clusters are fitted on ObjectNet: 41.36 against 15.81 %). Weighted by their
    images the two give acc. A group without images has no value.
    """
    mapping = hungarian_then_greedy_map(contingency(train_clusters, train_labels, k, len(classes)))
    inside = np.array([name in shared for name in classes])
    scores = {}
    for metric, group in (("recall_shared", inside), ("recall_unshared", ~inside)):
        kept = (labels >= 0) & group[labels]
        if kept.any():
            scores[metric] = accuracy(contingency(clusters[kept], labels[kept], k, len(classes)), mapping)
    return scores
