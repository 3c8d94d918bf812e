"""Clusters that are groups of centres: a merged clustering, or one whose clusters are numbered anew."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.rows import Float32, Rows

Int64 = npt.NDArray[np.int64]

_BLOCK = 4096


def assign_groups(rows: Rows, centres: Float32, groups: Int64, *, spherical: bool) -> Assignment:
    """Return the group of the nearest centre of each of the rows [N, D], and the nearest of another group.

    `groups` int64 [K] says which group, from 0 on, each of the `centres` [K, D] belongs to; every group has
    at least one. Distances are Euclidean, or 1 - cosine if spherical; second is -1 and confidence 1 where
    there is one group only. Raises UserError for values that are not finite.
    """
    count, number = rows.shape[0], int(groups.max()) + 1
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], np.arange(number))
    sorted_centres = centres[order].astype(np.float64)
    result = Assignment(
        np.empty(count, np.int32),
        np.full(count, -1, np.int32),
        np.empty(count, np.float32),
        np.ones(count, np.float32),
    )
    for part in rows.parts(_BLOCK):
        block = part.read()
        require_finite(block, rows.space)
        values = (unit_length(block) if spherical else block).astype(np.float64)
        distances = np.minimum.reduceat(_distances(values, sorted_centres, spherical), starts, axis=1)
        first = distances.argmin(axis=1)
        own = np.arange(len(first))
        nearest = distances[own, first]
        result.cluster[part.where], result.distance[part.where] = first, nearest
        if number > 1:
            distances[own, first] = np.inf
            second = distances.argmin(axis=1)
            other = distances[own, second]
            ratio = np.divide(nearest, other, out=np.ones_like(nearest), where=other > 0)
            result.second[part.where] = second
            result.confidence[part.where] = 1 - np.minimum(ratio, 1)
    return result


def distances_to(rows: Float32, centres: Float32, *, spherical: bool) -> Float32:
    """Return the distance [n] of each of the rows [n, D] to its own one of the centres [n, D]."""
    values = (unit_length(rows) if spherical else rows).astype(np.float64)
    own = centres.astype(np.float64)
    found = 1 - (values * own).sum(axis=1) if spherical else np.linalg.norm(values - own, axis=1)
    distances: Float32 = np.maximum(found, 0).astype(np.float32)
    return distances


def _distances(
    values: npt.NDArray[np.float64], centres: npt.NDArray[np.float64], spherical: bool
) -> npt.NDArray[np.float64]:
    products = values @ centres.T
    squares = (values**2).sum(axis=1)[:, None] - 2 * products + (centres**2).sum(axis=1)
    distances: npt.NDArray[np.float64] = np.sqrt(np.maximum(squares, 0))
    return np.maximum(1 - products, 0) if spherical else distances
