"""Which centre is nearest: float32 products for a block of rows at a time, float64 sums."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from clusterprobe.store.rows import Float32

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

MANY_CLUSTERS = 500
"""Clusters from which on it pays to leave out centres that are far from a point."""

ROWS_PER_BLOCK = 8192
"""Rows to read at a time, at most: narrow ones may be made of wide ones."""

_SCORES_AT_ONCE = 2**19  # 2 MiB of float32, about what a cache near the core holds
_VALUES_PER_BLOCK = 2**22  # 16 MiB of float32
_VALUES_AT_ONCE = 2**17


def block_rows(width: int, most: int = ROWS_PER_BLOCK) -> int:
    """Return how many rows of some width to take at a time: enough to keep a thread busy for a while."""
    return min(max(_VALUES_PER_BLOCK // width, 256), most)


def few_at_a_time(count: int, width: int) -> Iterator[slice]:
    """Yield slices of `count` rows of some width, so few in each that they stay in the cache."""
    step = max(_VALUES_AT_ONCE // width, 1)
    for first in range(0, count, step):
        yield slice(first, min(first + step, count))


def squared_distances(block: Float32, centres: Float32, labels: Int32) -> Float32:
    """Return |x - c|^2 [n] of each point [n, D] to one of the centres [K, D]; exactly 0 at the centre."""
    squares = np.empty(len(block), dtype=np.float32)
    for here in few_at_a_time(*block.shape):
        differences = block[here] - centres[labels[here]]
        np.einsum("nd,nd->n", differences, differences, out=squares[here])
    return squares


class Centres:
    """Centres [K, D] float32, ready to be compared with rows.

    The nearest centre c to a row x is that with the largest score x.c - |c|^2 / 2. Scores are made for a few
    rows at a time, so that they stay in the cache until they have been looked at.
    """

    def __init__(self, values: Float32) -> None:
        self.values = values
        self._half_norms: Float32 = 0.5 * np.einsum("kd,kd->k", values, values)
        self._rows = max(_SCORES_AT_ONCE // len(values), 128)

    def nearest(self, block: Float32) -> Int32:
        """Return the index [n] of the centre nearest to each row [n, D]; ties go to the lower index."""
        found = np.empty(len(block), dtype=np.int32)
        for here, table in self._tables(block):
            found[here] = table.argmax(axis=1)
        return found

    def nearest_distance(self, block: Float32) -> tuple[Float32, Int32]:
        """Return the squared distance [n] to the nearest centre, less exact than |x - c|^2, and its index."""
        distances, found = np.empty(len(block), np.float32), np.empty(len(block), np.int32)
        for here, table in self._tables(block):
            found[here] = table.argmax(axis=1)
            distances[here] = table[np.arange(len(table)), found[here]]
        norms: Float32 = np.einsum("nd,nd->n", block, block)
        return np.maximum(norms - 2 * distances, 0), found

    def nearest_two(self, block: Float32) -> tuple[Int32, Int32]:
        """Return the indices [n] of the nearest and of the second nearest centre (-1 when K = 1)."""
        first, second = (np.full(len(block), -1, dtype=np.int32) for _ in range(2))
        for here, table in self._tables(block):
            first[here] = table.argmax(axis=1)
            if table.shape[1] > 1:
                table[np.arange(len(table)), first[here]] = -np.inf
                second[here] = table.argmax(axis=1)
        return first, second

    def nearest_many(self, block: Float32, count: int) -> Int64:
        """Return the indices [n, count] of the nearest centres to each row, nearest first."""
        found = np.empty((len(block), count), dtype=np.int64)
        last = len(self.values) - count
        for here, table in self._tables(block):
            chosen = np.argpartition(table, last, axis=1)[:, last:] if last else np.arange(count)[None]
            scores = np.take_along_axis(table, chosen, axis=1) if last else table
            order = np.argsort(-scores, axis=1, kind="stable")
            found[here] = np.take_along_axis(np.broadcast_to(chosen, scores.shape), order, axis=1)
        return found

    def nearest_and_second_score(self, block: Float32) -> tuple[Int32, Float32]:
        """Return the index [n] of the nearest centre and the score [n] of the second nearest."""
        found, second = np.empty(len(block), np.int32), np.empty(len(block), np.float32)
        for here, table in self._tables(block):
            found[here] = table.argmax(axis=1)
            table[np.arange(len(table)), found[here]] = -np.inf
            second[here] = table.max(axis=1)
        return found, second

    def best_score_without(self, block: Float32, excluded: Int32) -> Float32:
        """Return the largest score [n] of each row, one centre left out for each [n] (-1: none)."""
        best = np.empty(len(block), np.float32)
        for here, table in self._tables(block):
            rows = np.flatnonzero(excluded[here] >= 0)
            table[rows, excluded[here][rows]] = -np.inf
            best[here] = table.max(axis=1)
        return best

    def _tables(self, block: Float32) -> Iterator[tuple[slice, Float32]]:
        """Yield the scores [m, K] of a few rows at a time, with where in the block they are."""
        room = np.empty((min(self._rows, len(block)), len(self.values)), dtype=np.float32)
        for first in range(0, len(block), self._rows):
            rows = block[first : first + self._rows]
            table = np.matmul(rows, self.values.T, out=room[: len(rows)])
            table -= self._half_norms
            yield slice(first, first + len(rows)), table


def cluster_sums(block: Float32, labels: Int32, k: int) -> tuple[Float64, Float64]:
    """Return the sum [K, D] and the number [K] of the rows [n, D] of each cluster, in float64."""
    count = len(labels)
    members = csr_array((np.ones(count), (labels, np.arange(count))), shape=(k, count))
    return np.asarray(members @ block), np.bincount(labels, minlength=k).astype(np.float64)
