"""First centres for k-means."""

from __future__ import annotations

import numpy as np

from clusterprobe.cluster.comparison import share_compared
from clusterprobe.cluster.lloyd import Start, step
from clusterprobe.cluster.near_passes import near_passes
from clusterprobe.cluster.nearest import MANY_CLUSTERS, Centres, Float64, Int32
from clusterprobe.cluster.partition import Partition, Report, Watch, silent, unwatched
from clusterprobe.cluster.plus_plus import TABLE_ROWS, plus_plus
from clusterprobe.cluster.points import Leading, Points
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import Float32

_ROWS_PER_CLUSTER = 50
_ROWS_AT_LEAST = 20_000
_GROWTH = 4
PASSES_PER_SAMPLE = 4
"""Of Lloyd's algorithm, on each of the growing samples."""

_NEAR_PASSES = 10  # over all points, at most
_NEAR_SHARE = 0.4  # what such a pass costs, as a share of one that compares all centres in full

_ONE_BY_ONE = 2**22  # rows x clusters up to which centres are drawn one by one
_ROUNDS = 3
_CANDIDATES_PER_CLUSTER = 5


def seed_centres(
    points: Points,
    k: int,
    generator: np.random.Generator,
    report: Report = silent,
    watch: Watch = unwatched,
) -> Start:
    """Return first centres [K, D], found on a random sample of the points.

    k-means++ on max(50 k, 20000) of them; where that is not all, a few passes of Lloyd's algorithm on this
    and on larger samples follow, as a pass over few points costs little and improves much. With many clusters
    all this goes along the leading axes of the points, and so do passes over all of them that look at near
    centres only. A last few see all columns, unless those of Lloyd's algorithm cost no more, and are what
    `watch` sees; their clusters come along.
    """
    sizes = sample_sizes(points.count, k)
    report = _uncounted(report)
    if k < MANY_CLUSTERS:
        return Start(_grown(points, k, sizes, generator, report))
    leading = points.leading
    if leading is None:
        centres = _grown(points, k, sizes, generator, report)
        partition = _exact(points, centres, report)
    else:
        labels, centres = _along_leading_axes(leading, k, sizes, generator, report)
        partition = Partition.of(points, labels, k)
        centres = partition.means(unit_length(centres) if points.spherical else centres, points.spherical)
        report(0, "means of clusters along the leading axes")
        if share_compared(points, centres) < _NEAR_SHARE:
            return Start(centres, partition)
    return Start(near_passes(points, centres, partition, _NEAR_PASSES, report, watch), partition)


def _uncounted(report: Report) -> Report:
    """Return a report of what is no pass of a fit: it says how far things are, and counts no rows."""
    return lambda _, note: report(0, f"first centres: {note}" if note else "first centres")


def _along_leading_axes(
    leading: Leading, k: int, sizes: list[int], generator: np.random.Generator, report: Report
) -> tuple[Int32, Float32]:
    """Return the clusters [N] that passes along leading axes alone end with, and their centres [K, D]."""
    centres = _grown(leading.points, k, sizes, generator, report)
    partition = _exact(leading.points, centres, report)
    centres = near_passes(leading.points, centres, partition, _NEAR_PASSES, report)
    return partition.labels, centres @ leading.axes.T


def _grown(
    points: Points, k: int, sizes: list[int], generator: np.random.Generator, report: Report
) -> Float32:
    """Return centres [K, D] found on samples of some sizes, one after the other, or drawn of all points."""
    centres = None if sizes else _spread_out(points, k, generator)
    for size in sizes:
        sample = points.sample(np.sort(generator.choice(points.count, size, replace=False)))
        centres = _improved(sample, _spread_out(sample, k, generator) if centres is None else centres)
        report(0, f"on {size} rows")
    assert centres is not None, "drawn of the first sample"
    return centres


def _improved(sample: Points, centres: Float32) -> Float32:
    """Return centres [K, D] after a few passes over a sample."""
    if len(centres) >= MANY_CLUSTERS:
        return near_passes(sample, centres, _exact(sample, centres), PASSES_PER_SAMPLE - 1)
    partition = Partition.none(sample.count, centres.shape)
    for _ in range(PASSES_PER_SAMPLE):
        centres = step(sample, centres, partition).updated
    return centres


def _exact(points: Points, centres: Float32, report: Report = silent) -> Partition:
    """Return the partition of the points in which each is in the cluster of the nearest of all centres."""
    partition = Partition.none(points.count, centres.shape)
    step(points, centres, partition, report=report)
    return partition


def sample_sizes(count: int, k: int) -> list[int]:
    """Return how large the growing samples of N points are; none where the first would hold all of them."""
    size = max(_ROWS_PER_CLUSTER * k, _ROWS_AT_LEAST)
    sizes = [size] if size < count else []
    while sizes and sizes[-1] * _GROWTH**2 <= count:
        sizes.append(sizes[-1] * _GROWTH)
    return sizes


def _spread_out(points: Points, k: int, generator: np.random.Generator) -> Float32:
    """Return k of the points by k-means++; where these are many, of candidates that stand for them."""
    if points.count * k <= _ONE_BY_ONE or points.count <= TABLE_ROWS:
        return plus_plus(points.take(np.arange(points.count)), k, generator)
    candidates, weights = _candidates(points, k, generator)
    return candidates if len(candidates) == k else plus_plus(candidates, k, generator, weights)


def _candidates(points: Points, k: int, generator: np.random.Generator) -> tuple[Float32, Float64]:
    """Draw candidates [M, D] in a few rounds and return them with the number of points nearest to each [M].

    In a round many are drawn at once with probability proportional to their squared distance to the ones
    before. Bahmani et al., Scalable k-means++, PVLDB 5, 2012, algorithm 2, with a fixed number per round.
    """
    wanted = max(k, min(_CANDIDATES_PER_CLUSTER * k, TABLE_ROWS))
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
