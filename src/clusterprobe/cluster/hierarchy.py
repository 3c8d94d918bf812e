"""A hierarchy of clusters: which of them to merge first, and the clusters at any level of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError

Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]


def ward_tree(centres: npt.NDArray[np.floating], sizes: npt.NDArray[np.integer]) -> Float64:
    """Return merges [K - 1, 4] of K clusters with `centres` [K, D] of `sizes` [K] images each.

    As scipy's linkage matrices: two clusters (new ones are K, K + 1, ...), height, number of images. Each
    merge is the one that adds least to the sum of squared distances to the centres; its height is
    sqrt(2 n m / (n + m)) |a - b|. Empty clusters count as a single image. Ward, J. Am. Stat. Assoc. 58, 1963.
    """
    points = centres.astype(np.float64)
    weights = np.maximum(sizes, 1).astype(np.float64)
    counts, names = weights.copy(), np.arange(len(points))
    costs = _costs(points, weights)
    merges = np.empty((max(len(points) - 1, 0), 4))
    for number in range(len(merges)):
        one, other = sorted(divmod(int(costs.argmin()), len(points)))
        first, second = sorted((names[one], names[other]))
        merges[number] = first, second, np.sqrt(costs[one, other]), counts[one] + counts[other]
        total = weights[one] + weights[other]
        points[one] = (weights[one] * points[one] + weights[other] * points[other]) / total
        weights[one] = counts[one] = total
        names[one] = len(points) + number
        costs[other] = costs[:, other] = np.inf
        alive = np.isfinite(costs[one])
        fresh = 2 * weights * total / (weights + total) * ((points - points[one]) ** 2).sum(axis=1)
        costs[one, alive] = costs[alive, one] = fresh[alive]
    merges[:, 2] = np.maximum.accumulate(merges[:, 2])
    return merges


def cut_tree(merges: Float64, k: int) -> Int64:
    """Return for each of the K clusters its group, int64 [K], numbered from 0 by their first clusters.

    Raises UserError for a k that is not from 1 to K.
    """
    leaves = len(merges) + 1
    if not 1 <= k <= leaves:
        raise UserError(f"{k} groups of {leaves} clusters: choose from 1 to {leaves}")
    parent = np.arange(leaves + len(merges))
    for number in range(leaves - k):
        parent[merges[number, :2].astype(np.int64)] = leaves + number
    roots = np.arange(leaves)
    while (parent[roots] != roots).any():
        roots = parent[roots]
    _, first, inverse = np.unique(roots, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    groups: Int64 = rank[inverse]
    return groups


def _costs(points: Float64, weights: Float64) -> Float64:
    """Return [K, K]: twice what a merge adds to the sum of squares; infinite for one with itself."""
    squares = np.stack([((points - point) ** 2).sum(axis=1) for point in points])
    costs: Float64 = 2 * np.outer(weights, weights) / np.add.outer(weights, weights) * squares
    np.fill_diagonal(costs, np.inf)
    return costs
