"""Our k-means with the time at which each inertia was reached, for the questions that race against a peer."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from benchmarks.harness import Size
from benchmarks.synthetic import Features
from clusterprobe.cluster.initialisation import seed_centres
from clusterprobe.cluster.kmeans import MEMORY_BYTES, fit_kmeans
from clusterprobe.cluster.lloyd import lloyd
from clusterprobe.cluster.nearest import Centres
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import ArrayRows, Float32
from clusterprobe.store.threads import in_order

_PASSES = 60


@dataclass(frozen=True)
class Data:
    """Rows to fit on, rows held out, and the number of clusters."""

    train: Float32
    held_out: Float32
    k: int


def data(size: Size) -> Data:
    """Return 200,000 x 256 features and 20,000 held out, K = 1000 (quick: a quarter, K = 250)."""
    count, k = size.choose((50_000, 250), (200_000, 1000))
    rows, _ = Features(count + count // 10, 256).array()
    return Data(rows[:count], rows[count:], k)


class _Reached(Exception):
    """Raised where the wanted inertia is reached: after so many seconds, in a pass of this number."""


def seconds_to(values: Float32, k: int, seed: int, wanted: float) -> tuple[float, int]:
    """Return the seconds from raw rows to centres of at most the wanted inertia, and the passes over all.

    These are the steps of fit_kmeans, stopped when the inertia is reached. To look at it is not counted, as
    it is not for a peer.
    """
    start, passes = time.perf_counter(), 0

    def watch(_: int, centres: Float32) -> None:
        nonlocal start, passes
        spent, passes = time.perf_counter() - start, passes + 1
        if inertia(values, centres + points.offset) <= wanted:
            raise _Reached(spent, passes)
        start = time.perf_counter() - spent

    points = Points.of(ArrayRows(values), spherical=False, memory_bytes=MEMORY_BYTES)
    generator = np.random.default_rng(np.random.SeedSequence(seed).spawn(1)[0])
    try:
        first = seed_centres(points, k, generator, watch=watch)
        lloyd(points, first, max_iterations=_PASSES, tolerance=0, watch=watch)
    except _Reached as reached:
        return reached.args
    raise RuntimeError(f"an inertia of {wanted} was not reached in {_PASSES} passes")


def converged(values: Float32, k: int, seed: int) -> tuple[Float32, float, int]:
    """Return centres, inertia and passes of a fit to convergence from one start."""
    model = fit_kmeans(ArrayRows(values), k, seed)
    return model.centres, model.inertia, model.iterations


def inertia(values: Float32, centres: Float32) -> float:
    """Return the sum of squared distances of rows to the nearest centre, from differences in float64."""
    offset = centres.mean(axis=0)
    table = Centres(centres - offset)

    def look(block: Float32) -> float:
        nearest = table.nearest(block - offset)
        return float(np.square(block.astype(np.float64) - centres[nearest]).sum())

    return sum(in_order(look, np.array_split(values, max(len(values) // 4096, 1))))
