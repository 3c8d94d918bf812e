"""Lloyd's algorithm over blocks of points: memory does not grow with N x K."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from clusterprobe.cluster.bounds import Bounds
from clusterprobe.cluster.partition import (
    Partition,
    Report,
    Watch,
    assign_all,
    refill_empty,
    silent,
    unwatched,
)
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32

# Below so many clusters a full pass costs no more than bounds do; above such a share of points that change
# their cluster in a pass, bounds rule out nearly nothing.
_CLUSTERS_WORTH_BOUNDS = 256
_CHANGES_WORTH_BOUNDS = 0.05


class Fit(NamedTuple):
    """Centres [K, D], the sum of squared distances to them, and how many iterations or epochs it took."""

    centres: Float32
    inertia: float
    iterations: int


class Start(NamedTuple):
    """First centres [K, D], and clusters that the points are in already, if they are in any."""

    centres: Float32
    partition: Partition | None = None


class Step(NamedTuple):
    """The means [K, D] of the clusters that the centres of a step make, the inertia of these centres, the
    share of points that changed their cluster, and whether nothing is left to do."""

    updated: Float32
    inertia: float
    changed: float
    settled: bool


def lloyd(
    points: Points,
    start: Start,
    *,
    max_iterations: int,
    tolerance: float,
    report: Report = silent,
    watch: Watch = unwatched,
) -> Fit:
    """Improve centres [K, D] until no label changes; `watch` sees them after every pass that moves them.

    Stops early when the centres together move by at most `tolerance` x variance of the points (squared), or
    after `max_iterations`. Empty clusters restart at the points farthest from their centres. The inertia is
    that of the returned centres. Lloyd, Least squares quantization in PCM, IEEE Trans. Inf. Theory 28, 1982.
    """
    centres, partition = start
    partition = partition or Partition.none(points.count, centres.shape)
    bounds: Bounds | None = None
    note = ""
    for iteration in range(1, max_iterations + 1):
        found = step(points, centres, partition, bounds, report, note)
        if found.settled:
            return Fit(centres, found.inertia, iteration)
        note = f"pass {iteration + 1}, {100 * found.changed:.2g} % of rows changed cluster in the one before"
        moved = float(np.square(found.updated - centres).sum(dtype=np.float64))
        centres = found.updated
        watch(iteration, centres)
        if moved <= tolerance * points.variance:
            break
        if bounds is None and _worth_bounds(len(centres), found.changed):
            bounds = Bounds(points.count, centres)
    assign_all(points, centres, partition)
    return Fit(centres, partition.inertia(centres), iteration)


def step(
    points: Points,
    centres: Float32,
    partition: Partition,
    bounds: Bounds | None = None,
    report: Report = silent,
    note: str = "",
) -> Step:
    """Assign all points, give empty clusters a point, and take the means."""
    if bounds is None:
        changed = assign_all(points, centres, partition, report, note)
    else:
        changed = bounds.assign(points, centres, partition, report, note)
    inertia = partition.inertia(centres)
    given = refill_empty(points, centres, partition)
    if bounds is not None:
        bounds.forget(given)
    updated = partition.means(centres, points.spherical)
    return Step(updated, inertia, changed / points.count, not changed and not len(given))


def _worth_bounds(k: int, changed: float) -> bool:
    return k >= _CLUSTERS_WORTH_BOUNDS and changed < _CHANGES_WORTH_BOUNDS
