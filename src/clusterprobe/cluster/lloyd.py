"""Lloyd's algorithm over blocks of points: memory does not grow with N x K."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from clusterprobe.cluster.nearest import Float64, Int32, block_rows, cluster_sums, nearest
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32


class Fit(NamedTuple):
    """Centres [K, D], the sum of squared distances to them, and how many iterations or epochs it took."""

    centres: Float32
    inertia: float
    iterations: int


@dataclass
class Pass:
    """What one pass over all points finds: cluster sums [K, D] and counts [K], the sum of squared norms, and
    whether any label changed."""

    sums: Float64
    counts: Float64
    squares: float
    changed: bool


def lloyd(points: Points, centres: Float32, *, max_iterations: int, tolerance: float) -> Fit:
    """Improve centres [K, D] until no label changes.

    Stops early when the centres together move by at most `tolerance` x variance of the points (squared), or
    after `max_iterations`. Empty clusters restart at the points farthest from their centres. The inertia is
    that of the returned centres. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 1982.
    """
    labels = np.full(points.count, -1, dtype=np.int32)
    for iteration in range(1, max_iterations + 1):
        found = assign_all(points, centres, labels)
        inertia = inertia_of(found, centres)
        refilled = _refill_empty(points, centres, labels, found)
        if not found.changed and not refilled:
            return Fit(centres, inertia, iteration)
        updated = mean_centres(found.sums, found.counts, centres, points.spherical)
        moved = float(np.square(updated - centres).sum(dtype=np.float64))
        centres = updated
        if moved <= tolerance * points.variance:
            break
    return Fit(centres, inertia_of(assign_all(points, centres, labels), centres), iteration)


def assign_all(points: Points, centres: Float32, labels: Int32) -> Pass:
    """Write the nearest centre of every point into `labels` [N] and sum up the clusters in one pass."""
    k = len(centres)
    found = Pass(np.zeros(centres.shape), np.zeros(k), squares=0.0, changed=False)
    first = 0
    for block in points.blocks(block_rows(k)):
        here = slice(first, first + len(block))
        new = nearest(block, centres)
        found.changed = found.changed or not np.array_equal(labels[here], new)
        labels[here] = new
        wide = block.astype(np.float64)
        sums, counts = cluster_sums(wide, new, k)
        found.sums += sums
        found.counts += counts
        found.squares += float(np.einsum("nd,nd->", wide, wide))
        first += len(block)
    return found


def inertia_of(found: Pass, centres: Float32) -> float:
    """Return the sum of squared distances to the centres: sum |x|^2 - 2 sum_k s_k.c_k + sum_k n_k |c_k|^2."""
    wide = centres.astype(np.float64)
    cross = float(np.einsum("kd,kd->", found.sums, wide))
    norms = float(found.counts @ np.einsum("kd,kd->k", wide, wide))
    return max(found.squares - 2 * cross + norms, 0.0)


def mean_centres(sums: Float64, counts: Float64, centres: Float32, spherical: bool) -> Float32:
    """Return the mean of each cluster, of unit length if spherical; one without a mean keeps its centre."""
    sizes = np.linalg.norm(sums, axis=1) if spherical else counts
    updated = centres.copy()
    filled = sizes > 0
    updated[filled] = sums[filled] / sizes[filled, None]
    return updated


def _refill_empty(points: Points, centres: Float32, labels: Int32, found: Pass) -> bool:
    """Give each empty cluster the point farthest from its centre; say whether any point was moved.

    Points that lie on their centre stay: with fewer distinct points than clusters, some remain empty.
    """
    empty = np.flatnonzero(found.counts == 0)
    if len(empty) == 0:
        return False
    distances = _distances_to_own_centre(points, centres, labels)
    farthest = np.argsort(-distances, kind="stable")[: len(empty)]
    farthest = farthest[distances[farthest] > 0]
    for cluster, index, point in zip(empty, farthest, points.take(farthest).astype(np.float64), strict=False):
        donor = labels[index]
        found.sums[donor] -= point
        found.counts[donor] -= 1
        found.sums[cluster], found.counts[cluster] = point, 1
        labels[index] = cluster
    return len(farthest) > 0


def _distances_to_own_centre(points: Points, centres: Float32, labels: Int32) -> Float32:
    """Return the squared distance [N] of each point to the centre of its label: exactly 0 at the centre."""
    distances, first = np.empty(points.count, dtype=np.float32), 0
    for block in points.blocks(block_rows(len(centres))):
        here = slice(first, first + len(block))
        differences = block - centres[labels[here]]
        distances[here] = np.einsum("nd,nd->n", differences, differences)
        first += len(block)
    return distances
