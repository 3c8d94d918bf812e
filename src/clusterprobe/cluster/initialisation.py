"""First centres for k-means."""

from __future__ import annotations

import math

import numpy as np

from clusterprobe.cluster.lloyd import step
from clusterprobe.cluster.nearest import Centres, Float64, Int32, Int64
from clusterprobe.cluster.partition import Partition, Report, silent
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32

_ROWS_PER_CLUSTER = 50
_ROWS_AT_LEAST = 20_000
_GROWTH = 4
PASSES_PER_SAMPLE = 4
"""Of Lloyd's algorithm, on each of the growing samples."""

_ONE_BY_ONE = 2**22  # rows x clusters up to which centres are drawn one by one
_ROUNDS = 5
_CANDIDATES_PER_CLUSTER = 4
_TABLE_ROWS = 8192  # rows up to which all their distances are kept: 256 MiB of float32


def seed_centres(points: Points, k: int, generator: np.random.Generator, report: Report = silent) -> Float32:
    """Return first centres [K, D], found on a random sample of the points.

    k-means++ on max(50 k, 20000) of them; where that is not all, a few passes of Lloyd's algorithm on this
    and on larger samples follow, as a pass over few points costs little and improves much.
    """
    sizes = sample_sizes(points.count, k)
    if not sizes:
        return _spread_out(points, k, generator)
    centres: Float32 | None = None
    for size in sizes:
        sample = points.sample(np.sort(generator.choice(points.count, size, replace=False)))
        centres = _spread_out(sample, k, generator) if centres is None else centres
        partition = Partition.none(size, centres.shape)
        for _ in range(PASSES_PER_SAMPLE):
            centres = step(sample, centres, partition).updated
        report(0, f"first centres, on {size} rows")
    assert centres is not None, "there is a first sample"
    return centres


def sample_sizes(count: int, k: int) -> list[int]:
    """Return how large the growing samples of N points are; none where the first would hold all of them."""
    size = max(_ROWS_PER_CLUSTER * k, _ROWS_AT_LEAST)
    sizes = [size] if size < count else []
    while sizes and sizes[-1] * _GROWTH**2 <= count:
        sizes.append(sizes[-1] * _GROWTH)
    return sizes


def _spread_out(points: Points, k: int, generator: np.random.Generator) -> Float32:
    """Return k of the points by k-means++; where these are many, of candidates that stand for them."""
    if points.count * k <= _ONE_BY_ONE or points.count <= _TABLE_ROWS:
        return plus_plus(points.take(np.arange(points.count)), k, generator)
    candidates, weights = _candidates(points, k, generator)
    return candidates if len(candidates) == k else plus_plus(candidates, k, generator, weights)


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
        if len(sample) <= _TABLE_ROWS:
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


def _candidates(points: Points, k: int, generator: np.random.Generator) -> tuple[Float32, Float64]:
    """Draw candidates [M, D] in a few rounds and return them with the number of points nearest to each [M].

    In a round many are drawn at once with probability proportional to their squared distance to the ones
    before. Bahmani et al., Scalable k-means++, PVLDB 5, 2012, algorithm 2, with a fixed number per round.
    """
    wanted = max(k, min(_CANDIDATES_PER_CLUSTER * k, _TABLE_ROWS))
    sizes = np.diff(np.linspace(1, wanted, _ROUNDS + 1).astype(int))
    chosen = generator.integers(points.count, size=1)
    candidates = points.take(chosen)
    closest, owner = _nearest_of(points, candidates)
    for size in sizes:
        closest[chosen] = 0
        # the smallest of exponential variables with these rates are a sample without replacement
        keys = generator.standard_exponential(points.count) / np.maximum(closest, np.finfo(np.float32).tiny)
        chosen = np.sort(np.argpartition(keys, size)[:size])
        new = points.take(chosen)
        distances, index = _nearest_of(points, new)
        nearer = distances < closest
        closest[nearer], owner[nearer] = distances[nearer], index[nearer] + len(candidates)
        candidates = np.concatenate([candidates, new])
    return candidates, np.bincount(owner, minlength=len(candidates)).astype(np.float64)


def _nearest_of(points: Points, candidates: Float32) -> tuple[Float32, Int32]:
    """Return for each point the squared distance [N] to the nearest candidate and which it is [N]."""
    table = Centres(candidates)

    def look(_: slice, block: Float32) -> tuple[Float32, Int32]:
        return table.nearest_distance(block)

    distances, indices = zip(*points.map(look), strict=True)
    return np.concatenate(distances), np.concatenate(indices)
