"""Points in clusters, kept up to date from pass to pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from clusterprobe.cluster.comparison import comparison_with_points
from clusterprobe.cluster.nearest import Float64, Int32, Int64, few_at_a_time, squared_distances
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32

Report = Callable[[int, str], None]
"""Called during a fit with a number of rows that were looked at again, and a note."""


Watch = Callable[[int, Float32], None]
"""Called during a fit with the number of a pass and the centres [K, D] after it."""


def silent(rows: int, note: str) -> None:
    """Report nothing."""


def unwatched(number: int, centres: Float32) -> None:
    """Look at nothing."""


@dataclass
class Partition:
    """Points in clusters.

    labels [N] int32 (-1: none yet); sums [K, D] and counts [K] of the clusters, float64; squares: the sum of
    the squared norms of all points, once they have been seen. A pass only adds what has changed.
    """

    labels: Int32
    sums: Float64
    counts: Float64
    squares: float | None = None

    @classmethod
    def none(cls, count: int, shape: tuple[int, int]) -> Partition:
        """Return N points that are in none of K clusters [K, D] yet."""
        return cls(np.full(count, -1, dtype=np.int32), np.zeros(shape), np.zeros(shape[0]))

    @classmethod
    def of(cls, points: Points, labels: Int32, k: int) -> Partition:
        """Return the partition of points [N, D] whose clusters [N] are known."""
        partition = cls.none(points.count, (k, points.width))

        def move(where: slice, block: Float32) -> tuple[slice, Move, float]:
            return where, Move.between(block, partition.labels[where], labels[where]), _squares(block)

        squares = 0.0
        for where, found, here in points.map(move):
            partition.apply(where, found)
            squares += here
        partition.squares = squares
        return partition

    def inertia(self, centres: Float32) -> float:
        """Return the sum of squared distances: sum |x|^2 - 2 sum_k s_k.c_k + sum_k n_k |c_k|^2."""
        assert self.squares is not None, "no pass has been made yet"
        wide = centres.astype(np.float64)
        cross = float(np.einsum("kd,kd->", self.sums, wide))
        norms = float(self.counts @ np.einsum("kd,kd->k", wide, wide))
        return max(self.squares - 2 * cross + norms, 0.0)

    def means(self, centres: Float32, spherical: bool) -> Float32:
        """Return the means [K, D], of unit length if spherical; a cluster without a mean keeps its centre."""
        sizes = np.linalg.norm(self.sums, axis=1) if spherical else self.counts
        updated = centres.copy()
        filled = (self.counts > 0) & (sizes > 0)
        updated[filled] = self.sums[filled] / sizes[filled, None]
        return updated

    def apply(self, where: slice, move: Move) -> int:
        """Put the points of one block into their new clusters; return how many changed theirs."""
        self.labels[where] = move.labels
        self.sums[move.clusters] += move.sums
        self.counts[move.clusters] += move.counts
        return move.changed

    def close_pass(self) -> None:
        """Leave no rounding errors behind in clusters that have become empty."""
        self.sums[self.counts == 0] = 0


@dataclass(frozen=True)
class Move:
    """New labels [n] int32 of the points of a block, how many differ from the old ones, and what that adds to
    the sums [U, D] and counts [U] of some clusters [U], in float64."""

    labels: Int32
    changed: int
    clusters: Int64
    sums: Float64
    counts: Float64

    @classmethod
    def between(cls, block: Float32, old: Int32, new: Int32) -> Move:
        """Compare the old and new labels [n] of the points [n, D] of a block."""
        moved = np.flatnonzero(old != new)
        left = np.flatnonzero(old[moved] >= 0)
        names = np.concatenate([new[moved], old[moved][left]])
        signs = np.concatenate([np.ones(len(moved)), -np.ones(len(left))])
        clusters, place = np.unique(names, return_inverse=True)
        points = np.concatenate([np.arange(len(moved)), left])
        members = csr_array((signs, (place, points)), shape=(len(clusters), len(moved)))
        counts = np.bincount(place, signs, len(clusters)).astype(np.float64)
        return cls(new, len(moved), clusters.astype(np.int64), np.asarray(members @ block[moved]), counts)


def assign_all(
    points: Points, centres: Float32, partition: Partition, report: Report = silent, note: str = ""
) -> int:
    """Put every point into the cluster of its nearest centre; return how many were in another one."""
    compared = comparison_with_points(points, centres)
    first_pass = partition.squares is None

    def move(where: slice, block: Float32) -> tuple[slice, Move, float]:
        found = Move.between(block, partition.labels[where], compared.nearest(where, block))
        return where, found, _squares(block) if first_pass else 0.0

    changed, squares = 0, 0.0
    for where, found, here in points.map(move):
        changed += partition.apply(where, found)
        squares += here
        report(where.stop - where.start, note)
    partition.close_pass()
    if first_pass:
        partition.squares = squares
    return changed


def _squares(block: Float32) -> float:
    squares = 0.0
    for here in few_at_a_time(*block.shape):
        wide = block[here].astype(np.float64)
        squares += float(np.vdot(wide, wide))
    return squares


def refill_empty(points: Points, centres: Float32, partition: Partition) -> Int64:
    """Give each empty cluster the point farthest from its centre; return the indices of these points.

    Points that lie on their centre stay: with fewer distinct points than clusters, some remain empty.
    """
    empty = np.flatnonzero(partition.counts == 0)
    if len(empty) == 0:
        return empty
    labels = partition.labels

    def distances_to_own_centre(where: slice, block: Float32) -> Float32:
        return squared_distances(block, centres, labels[where])

    distances = np.concatenate(list(points.map(distances_to_own_centre)))
    farthest = np.argsort(-distances, kind="stable")[: len(empty)]
    farthest = farthest[distances[farthest] > 0]
    for cluster, index, point in zip(empty, farthest, points.take(farthest).astype(np.float64), strict=False):
        donor = labels[index]
        partition.sums[donor] -= point
        partition.counts[donor] -= 1
        partition.sums[cluster], partition.counts[cluster] = point, 1
        labels[index] = cluster
    return farthest
