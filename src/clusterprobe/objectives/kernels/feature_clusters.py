"""Clusters of features as DeepCluster finds them: whitened, of unit length, one run of k-means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.objectives.kernels.refinement import renamed
from clusterprobe.store.rows import ArrayRows

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

_EPS = 1e-5


def cluster_features(
    features: Float32, clusters: int, dims: int, iterations: int, seed: int, previous: Int64 | None
) -> Int64:
    """Cluster features [N, D] by k-means on their leading principal components (arXiv 1807.05520, section 3).

    Args:
        features: one row per image.
        clusters: how many there are.
        dims: components, whitened; then rows are scaled to unit length.
        iterations: at most so many passes.
        seed: of the start.
        previous: clusters [N] of the last time, whose numbers are kept where they can be; None: none.

    Returns:
        Cluster of every image, int64 [N].
    """
    rows = ArrayRows(whitened(features, dims))
    model = fit_kmeans(rows, clusters, seed, max_iterations=iterations)
    found = assign(rows, model).cluster.astype(np.int64)
    return found if previous is None else renamed(found, previous, clusters)


def whitened(features: Float32, dims: int) -> Float32:
    """Return the leading `dims` principal components of features [N, D], of equal variance, rows of unit
    length."""
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    kept = np.argsort(-variances, kind="stable")[: min(dims, len(variances))]
    scores = centred @ directions[:, kept] / np.sqrt(np.maximum(variances[kept], 0) + _EPS)
    norms = np.linalg.norm(scores, axis=1, keepdims=True)
    return np.asarray(scores / np.maximum(norms, _EPS), dtype=np.float32)
