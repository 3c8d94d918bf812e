"""Passes of k-means in which a point is compared with the centres around its own only.

A point rarely goes far: its next centre is nearly always near the one that it has. The idea is that of Wang
et al., Fast approximate k-means via cluster closures, CVPR 2012; here on groups of centres, so that matrix
products stay large.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from clusterprobe.cluster.nearest import Centres, Int32, Int64
from clusterprobe.cluster.partition import (
    Move,
    Partition,
    Report,
    Watch,
    refill_empty,
    silent,
    unwatched,
)
from clusterprobe.cluster.plus_plus import plus_plus
from clusterprobe.cluster.points import Points
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import Float32

_PER_GROUP = 12
_NEAR = 24
_SETTLED = 0.04  # share of points that change their cluster below which bounds do as well, and are exact
_STRIDE = np.float32(1.5)


def near_passes(
    points: Points,
    centres: Float32,
    partition: Partition,
    most: int,
    report: Report = silent,
    watch: Watch = unwatched,
) -> Float32:
    """Improve the clusters of centres [K, D], in at most so many passes, and return their means [K, D].

    Ends when few points change their cluster. Centres go half as far again as to their means, which saves
    passes. Where they end is no fixed point of Lloyd's algorithm, but a good start for it. `watch` sees the
    means before the first pass and after every one.
    """
    means = partition.means(centres, points.spherical)
    watch(1, means)
    for number in range(2, most + 2):
        centres = _onward(centres, means, partition, points.spherical)
        changed = _assign_near(points, centres, partition) / points.count
        refill_empty(points, centres, partition)
        means = partition.means(centres, points.spherical)
        watch(number, means)
        report(0, f"near centres only, {100 * changed:.2g} % of rows changed cluster")
        if changed < _SETTLED:
            break
    return means


def _onward(centres: Float32, means: Float32, partition: Partition, spherical: bool) -> Float32:
    """Return centres beyond the means of their clusters; those of single points stop there."""
    stride = np.where(partition.counts > 1, _STRIDE, np.float32(1))[:, None]
    beyond: Float32 = centres + stride * (means - centres)
    return unit_length(beyond) if spherical else beyond


def _assign_near(points: Points, centres: Float32, partition: Partition) -> int:
    """Put every point into the cluster of the nearest of near centres; return how many were in another."""
    group, near = _groups(centres)
    tables = [Centres(centres[chosen]) for chosen in near]

    def move(where: slice, block: Float32) -> tuple[slice, Move]:
        old = partition.labels[where]
        order = np.argsort(group[old], kind="stable")
        edges = np.searchsorted(group[old[order]], np.arange(len(near) + 1)).tolist()
        together, new = block[order], np.empty_like(old)
        for chosen, table, (first, last) in zip(near, tables, pairwise(edges), strict=True):
            new[order[first:last]] = chosen[table.nearest(together[first:last])]
        return where, Move.between(block, old, new)

    changed = sum(partition.apply(where, found) for where, found in points.map(move))
    partition.close_pass()
    return changed


def _groups(centres: Float32) -> tuple[Int64, list[Int32]]:
    """Return the group [K] of each centre, and for each group the centres that are near one of its own."""
    pivots = plus_plus(centres, max(len(centres) // _PER_GROUP, 1), np.random.default_rng(0))
    group = np.unique(Centres(pivots).nearest(centres), return_inverse=True)[1]
    nearest = Centres(centres).nearest_many(centres, min(_NEAR, len(centres)))
    near = [np.unique(nearest[group == number]).astype(np.int32) for number in range(group.max() + 1)]
    return group, near
