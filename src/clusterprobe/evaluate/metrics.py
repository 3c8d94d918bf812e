"""Measures of agreement between clusters and classes, and of the clusters alone.

Those that compare take a contingency table counts [K, C] int64: rows of each cluster and class. ACC, NMI, AMI
and ARI are those of arXiv 2008.10312, limiting cases those of scikit-learn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.expected_information import expected_mutual_information

Int64 = npt.NDArray[np.int64]
_EPS = float(np.finfo(np.float64).eps)


def contingency(
    clusters: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], k: int, classes: int
) -> Int64:
    """Count the rows [N] of each cluster and class, int64 [K, C]; those without a label (-1) are left out.

    Raises UserError for ids outside 0..K-1 and 0..C-1.
    """
    if len(clusters) != len(labels):
        raise UserError(f"{len(clusters)} clusters but {len(labels)} labels: they must be of the same images")
    known = labels >= 0
    _check_range(clusters, k, "cluster")
    _check_range(labels[known], classes, "class")
    cells = clusters[known].astype(np.int64) * classes + labels[known]
    return np.bincount(cells, minlength=k * classes).reshape(k, classes).astype(np.int64)


def accuracy(counts: Int64, mapping: Int64) -> float:
    """Return the share of the counted rows whose cluster is mapped [K] to their class; -1 is always wrong."""
    mapped = np.flatnonzero(mapping >= 0)
    return float(counts[mapped, mapping[mapped]].sum() / counts.sum())


def top_accuracy(ranked: npt.NDArray[np.integer], labels: npt.NDArray[np.integer], mapping: Int64) -> float:
    """Return the share of labelled images whose class is among those of their most probable clusters.

    ranked [N, T]: the T most probable clusters of each image; mapping [K]: cluster -> class, -1 for none
    (SCAN, arXiv 2005.12320, tables 4 and 5: top-5).
    """
    known = labels >= 0
    return float((mapping[ranked[known]] == labels[known, None]).any(axis=1).mean())


def nmi(counts: Int64) -> float:
    """Return MI / mean(H(clusters), H(classes)), arithmetic mean (equal to the V-measure, beta 1)."""
    by_cluster, by_class = _entropies(counts)
    return _normalised(counts, (by_cluster + by_class) / 2)


def nmi_geometric(counts: Int64) -> float:
    """Return MI / sqrt(H(clusters) H(classes)), as in work before 2019."""
    by_cluster, by_class = _entropies(counts)
    return _normalised(counts, math.sqrt(by_cluster * by_class))


def ami(counts: Int64) -> float:
    """Return (MI - E[MI]) / (mean(H) - E[MI]): zero on average for independent labels.

    Vinh, Epps and Bailey, Information theoretic measures for clusterings comparison, JMLR 11, 2010.
    """
    table = _without_empty(counts)
    if min(table.shape) <= 1:
        return float(table.shape[0] == table.shape[1])
    if _is_perfect(table):  # both differences below may be rounding alone
        return 1.0
    expected = expected_mutual_information(table)
    above_chance = _mutual_information(table) - expected
    best = sum(_entropies(table)) / 2 - expected
    return _away_from_zero(above_chance) / _away_from_zero(best)


def ari(counts: Int64) -> float:
    """Return the Rand index of pairs of rows, adjusted for chance. Hubert and Arabie, J. Classif. 2, 1985."""
    both, only_cluster, only_class, neither = _pairs(counts)
    if only_cluster == 0 and only_class == 0:
        return 1.0
    below = (both + only_class) * (only_class + neither) + (both + only_cluster) * (only_cluster + neither)
    return 2 * (both * neither - only_cluster * only_class) / below


def fowlkes_mallows(counts: Int64) -> float:
    """Return the geometric mean of precision and recall over pairs. Fowlkes and Mallows, JASA 78, 1983."""
    both, only_cluster, only_class, _ = _pairs(counts)
    return both / math.sqrt((both + only_cluster) * (both + only_class)) if both else 0.0


def clusters_used(sizes: Int64) -> int:
    """Return how many clusters of sizes [K] have rows."""
    return int((sizes > 0).sum())


def largest_share(sizes: Int64) -> float:
    """Return the share of all rows that the largest cluster of sizes [K] holds."""
    return float(sizes.max() / sizes.sum())


def entropy(sizes: Int64) -> float:
    """Return -sum p log p over the shares p of clusters of sizes [K], in nats; log K if they are equal."""
    shares = sizes[sizes > 0] / sizes.sum()
    return max(0.0, float(-(shares * np.log(shares)).sum()))


def neighbour_purity(
    neighbours: npt.NDArray[np.integer], labels: Int64, ks: Sequence[int]
) -> dict[int, float]:
    """Return for each k how often the k nearest neighbours [N, M] share the label [N] of their row.

    Only pairs count in which both are labelled (not -1); without such pairs the result is empty.
    Raises UserError for a k larger than M.
    """
    if ks and max(ks) > neighbours.shape[1]:
        raise UserError(f"purity at {max(ks)} needs as many neighbours, but {neighbours.shape[1]} were mined")
    theirs = labels[neighbours]
    counted = (labels[:, None] >= 0) & (theirs >= 0)
    same = counted & (theirs == labels[:, None])
    return {k: float(same[:, :k].sum() / counted[:, :k].sum()) for k in ks if counted[:, :k].any()}


def _check_range(ids: npt.NDArray[np.integer], count: int, what: str) -> None:
    if len(ids) and (ids.min() < 0 or ids.max() >= count):
        raise UserError(f"{what} ids run from {ids.min()} to {ids.max()}, but there are {count} (from 0)")


def _without_empty(counts: Int64) -> Int64:
    return counts[counts.any(axis=1)][:, counts.any(axis=0)]


def _is_perfect(table: Int64) -> bool:
    """Return whether clusters are classes under other names; no row or column is empty."""
    return bool(table.shape[0] == table.shape[1] == np.count_nonzero(table))


def _entropies(counts: Int64) -> tuple[float, float]:
    return entropy(counts.sum(axis=1)), entropy(counts.sum(axis=0))


def _mutual_information(counts: Int64) -> float:
    """Return sum_kc p_kc log(p_kc / (p_k p_c)) in nats."""
    rows, columns = np.nonzero(counts)
    cells, total = counts[rows, columns], counts.sum()
    by_cluster, by_class = counts.sum(axis=1)[rows], counts.sum(axis=0)[columns]
    logs = np.log(cells) + np.log(total) - np.log(by_cluster) - np.log(by_class)
    return max(float((cells / total * logs).sum()), 0.0)


def _normalised(counts: Int64, mean_entropy: float) -> float:
    """Return MI / mean entropy; 1 if neither side splits the rows, 0 if one does not."""
    table = _without_empty(counts)
    if min(table.shape) <= 1:
        return float(table.shape[0] == table.shape[1])
    return _mutual_information(table) / mean_entropy


def _away_from_zero(value: float) -> float:
    """Return a value that is safe in a ratio: at least the float64 epsilon in size, of the same sign."""
    return min(value, -_EPS) if value < 0 else max(value, _EPS)


def _pairs(counts: Int64) -> tuple[int, int, int, int]:
    """Count ordered pairs of rows: together in both, in the cluster only, in the class only, in neither."""
    total = int(counts.sum())
    cells = int((counts**2).sum())
    in_cluster, in_class = int((counts.sum(axis=1) ** 2).sum()), int((counts.sum(axis=0) ** 2).sum())
    return cells - total, in_cluster - cells, in_class - cells, total**2 - in_cluster - in_class + cells
