"""First centres for k-means."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32

_ROWS_PER_CLUSTER = 50
_ROWS_AT_LEAST = 20_000


def seed_centres(points: Points, k: int, generator: np.random.Generator) -> Float32:
    """Return k points [K, D] as first centres, by k-means++ on a random sample of max(50 k, 20000) rows."""
    size = min(points.count, max(_ROWS_PER_CLUSTER * k, _ROWS_AT_LEAST))
    chosen = np.arange(points.count)
    if size < points.count:
        chosen = np.sort(generator.choice(points.count, size, replace=False))
    return plus_plus(points.take(chosen), k, generator)


def plus_plus(sample: Float32, k: int, generator: np.random.Generator) -> Float32:
    """Choose k of the rows [M, D] of `sample` by greedy k-means++.

    Each next centre is the best of 2 + log k rows that are drawn with probability proportional to their
    squared distance to the centres so far. Arthur and Vassilvitskii, k-means++, SODA 2007, section 2.2; the
    greedy variant is that of their section 7.
    """
    trials = 2 + int(math.log(k))
    norms = np.einsum("md,md->m", sample, sample)
    chosen = np.empty(k, dtype=np.int64)
    chosen[0] = generator.integers(len(sample))
    closest = _squared_distances(sample, norms, chosen[:1])[:, 0]
    for number in range(1, k):
        cumulated = np.cumsum(closest, dtype=np.float64)
        draws = generator.random(trials) * cumulated[-1]
        candidates = np.minimum(np.searchsorted(cumulated, draws, side="right"), len(sample) - 1)
        distances = np.minimum(closest[:, None], _squared_distances(sample, norms, candidates))
        best = int(distances.sum(axis=0, dtype=np.float64).argmin())
        closest, chosen[number] = distances[:, best], candidates[best]
    return sample[chosen]


def _squared_distances(sample: Float32, norms: Float32, chosen: npt.NDArray[np.int64]) -> Float32:
    """Return the squared distances [M, T] of all rows to the chosen ones; zero from a row to itself."""
    distances = sample @ sample[chosen].T
    distances *= -2
    distances += norms[:, None]
    distances += norms[chosen]
    distances[chosen, np.arange(len(chosen))] = 0
    np.maximum(distances, 0, out=distances)
    return distances
