"""Greedy k-means++: first centres, one by one."""

from __future__ import annotations

import math

import numpy as np

from clusterprobe.cluster.nearest import Float64, Int64
from clusterprobe.store.rows import Float32

TABLE_ROWS = 8192
"""Rows up to which all their distances are kept: 256 MiB of float32."""


def plus_plus(
    sample: Float32, k: int, generator: np.random.Generator, weights: Float64 | None = None
) -> Float32:
    """Choose k of the rows [M, D] of `sample` by greedy k-means++; weights [M] say what each row counts.

    Each next centre is the best of 2 + log k rows that are drawn with probability proportional to their
    squared distance to the centres so far. Arthur and Vassilvitskii, k-means++, SODA 2007, section 2.2; the
    greedy variant is that of their section 7.
    """
    trials = 2 + int(math.log(k))
    weights = np.ones(len(sample)) if weights is None else weights
    distances = _Distances(sample)
    chosen = np.empty(k, dtype=np.int64)
    chosen[0] = generator.integers(len(sample))
    closest = distances.to(chosen[:1])[0]
    for number in range(1, k):
        cumulated = np.cumsum(closest * weights)
        draws = generator.random(trials) * cumulated[-1]
        candidates = np.minimum(np.searchsorted(cumulated, draws, side="right"), len(sample) - 1)
        table = np.minimum(closest, distances.to(candidates))
        best = int((table @ weights).argmin())
        closest, chosen[number] = table[best], candidates[best]
    return sample[chosen]


class _Distances:
    """Squared distances between the rows [M, D] of a sample, kept where they are few."""

    def __init__(self, sample: Float32) -> None:
        self._sample = sample
        self._norms: Float32 = np.einsum("md,md->m", sample, sample)
        self._table: Float32 | None = None
        if len(sample) <= TABLE_ROWS:
            self._table = self._from(np.arange(len(sample)))

    def to(self, chosen: Int64) -> Float32:
        """Return the squared distances [T, M] of all rows to the chosen ones [T]."""
        return self._from(chosen) if self._table is None else self._table[chosen]

    def _from(self, chosen: Int64) -> Float32:
        distances = self._sample[chosen] @ self._sample.T
        distances *= -2
        distances += self._norms[chosen, None]
        distances += self._norms
        distances[np.arange(len(chosen)), chosen] = 0
        np.maximum(distances, 0, out=distances)
        return distances
