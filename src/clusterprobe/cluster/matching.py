"""Maps from clusters to classes, from counts [K, C] of the rows of each cluster and class.

A map is an int64 array [K]; -1 marks a cluster without a class. Hungarian, then greedy: arXiv 2008.10312;
majority: arXiv 2005.12320, footnote 3.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

Int64 = npt.NDArray[np.int64]

UNMAPPED = -1


def hungarian_map(counts: Int64) -> Int64:
    """Return the one-to-one map that puts most rows in their class; surplus clusters stay unmapped.

    Kuhn, The Hungarian method for the assignment problem, 1955.
    """
    mapping = np.full(counts.shape[0], UNMAPPED, dtype=np.int64)
    clusters, classes = linear_sum_assignment(counts, maximize=True)
    mapping[clusters] = classes
    return mapping


def hungarian_then_greedy_map(counts: Int64) -> Int64:
    """Return the one-to-one map, and for surplus clusters (K > C) their most frequent class.

    Ties go to the lower class; an empty surplus cluster ties everywhere and so takes class 0.
    """
    mapping = hungarian_map(counts)
    return np.where(mapping == UNMAPPED, majority_map(counts), mapping)


def majority_map(counts: Int64) -> Int64:
    """Return the most frequent class of each cluster, ties to the lower; clusters may share a class."""
    return np.asarray(counts.argmax(axis=1), dtype=np.int64)
