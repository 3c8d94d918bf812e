"""New clusters under old names: k-means on the outputs of a network (MMDC, arXiv 1912.02678, refinement)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.matching import hungarian_map
from clusterprobe.store.rows import ArrayRows

Int64 = npt.NDArray[np.int64]

_RESTARTS = 10


def refined_clusters(outputs: npt.NDArray[np.float32], previous: Int64, clusters: int, seed: int) -> Int64:
    """Cluster outputs [N, D] by k-means, and name the clusters so that most images keep their number.

    Args:
        outputs: one row per image.
        previous: cluster of every image before, in [0, clusters).
        clusters: how many there are; k-means knows no balance, so their sizes are free.
        seed: of the best of ten starts.

    Returns:
        Cluster of every image, int64 [N].
    """
    rows = ArrayRows(outputs)
    found = assign(rows, fit_kmeans(rows, clusters, seed, restarts=_RESTARTS)).cluster.astype(np.int64)
    return renamed(found, previous, clusters)


def renamed(found: Int64, previous: Int64, clusters: int) -> Int64:
    """Return clusters [N] under the one-to-one renaming that leaves as many images as can be as they were."""
    counts = np.zeros((clusters, clusters), dtype=np.int64)
    np.add.at(counts, (found, previous), 1)
    return hungarian_map(counts)[found]
