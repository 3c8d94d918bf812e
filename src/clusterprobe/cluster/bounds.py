"""Passes of Lloyd's algorithm that look only at points whose nearest centre may have changed."""

from __future__ import annotations

import numpy as np

from clusterprobe.cluster.comparison import Comparison, comparison_with_points
from clusterprobe.cluster.nearest import Centres, Float64, Int32, Int64, squared_distances
from clusterprobe.cluster.partition import Move, Partition, Report, silent
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32

_FAST_SHARE = 8  # one centre in so many is compared with all points whatever the bounds say
_SLACK = np.float32(1e-5)  # relative to |x|^2 + |c|^2: more than float32 products are wrong by


class Bounds:
    """For each point a lower bound [N] on its distance to every centre but its own.

    A pass measures the distance of each point to its own centre. Where that is below the bound, the point
    stays. Between passes the bounds sink by as much as the slower centres have moved; the few that moved
    farther are compared with all points. Only points that still are in doubt are compared with all centres:
    labels are those of a full pass. After Hamerly, Making k-means even faster, SDM 2010, section 2, where the
    fastest centre of all lowers the bounds.
    """

    def __init__(self, count: int, centres: Float32) -> None:
        self._lower: Float32 = np.zeros(count, dtype=np.float32)
        self._centres = centres

    def assign(
        self, points: Points, centres: Float32, partition: Partition, report: Report = silent, note: str = ""
    ) -> int:
        """Put every point into the cluster of its nearest centre; return how many were in another one."""
        slow, fast = self._movement(centres)
        compared = _Compared(comparison_with_points(points, centres), fast)

        def move(where: slice, block: Float32) -> tuple[slice, Move, Float32]:
            old = partition.labels[where]
            new, lower = compared.look(where, block, old, self._lower[where] - slow)
            return where, Move.between(block, old, new), lower

        changed = 0
        for where, found, lower in points.map(move):
            changed += partition.apply(where, found)
            self._lower[where] = lower
            report(where.stop - where.start, note)
        partition.close_pass()
        return changed

    def forget(self, indices: Int64) -> None:
        """Know nothing of some points any more, as they were given to another cluster."""
        self._lower[indices] = 0

    def _movement(self, centres: Float32) -> tuple[np.float32, Int64]:
        """Return how far the slower centres have moved at most, and which centres moved farther."""
        moved: Float64 = np.linalg.norm(centres.astype(np.float64) - self._centres, axis=1)
        self._centres = centres
        slow = np.sort(moved)[len(moved) - 1 - len(moved) // _FAST_SHARE]
        return np.nextafter(np.float32(slow), np.float32(np.inf)), np.flatnonzero(moved > slow)


class _Compared:
    """Centres [K, D] of one pass, and those among them that moved far [F]."""

    def __init__(self, compared: Comparison, fast: Int64) -> None:
        self._all, centres = compared, compared.values
        self._fast = Centres(centres[fast]) if len(fast) else None
        self._place = np.full(len(centres), -1, dtype=np.int32)
        self._place[fast] = np.arange(len(fast))
        self._longest = np.einsum("kd,kd->k", centres, centres).max()

    def look(self, where: slice, block: Float32, old: Int32, lower: Float32) -> tuple[Int32, Float32]:
        """Return labels [n] and bounds [n] of points [n, D] from those that they had."""
        own = np.sqrt(squared_distances(block, self._all.values, old))
        norms: Float32 = np.einsum("nd,nd->n", block, block)
        if self._fast is not None:
            nearest_fast = self._fast.best_score_without(block, self._place[old])
            lower = np.minimum(lower, self._at_least(norms, nearest_fast))
        new, doubtful = old.copy(), np.flatnonzero(own >= lower)
        if len(doubtful):
            new[doubtful], second = self._all.nearest_and_second_score(
                where.start + doubtful, block[doubtful]
            )
            lower[doubtful] = self._at_least(norms[doubtful], second)
        return new, lower

    def _at_least(self, norms: Float32, scores: Float32) -> Float32:
        """Return what distances [n] are at least, from |x|^2 [n] and scores x.c - |c|^2 / 2 [n]."""
        squares = norms - 2 * scores - _SLACK * (norms + self._longest)
        bounds: Float32 = np.sqrt(np.maximum(squares, 0))
        return bounds
