"""What the questions about nearest neighbours share."""

from __future__ import annotations

import numpy as np

from benchmarks.harness import Size
from benchmarks.synthetic import Features
from clusterprobe.cluster.screen import Screen
from clusterprobe.cluster.similarity import Int64, most_similar
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import Float32
from clusterprobe.store.threads import in_order

_GROUPS = 6


def prepared(size: Size) -> tuple[Float32, Int64]:
    """Return 200,000 x 512 rows of unit length and 10,000 of them as queries (quick: a tenth of both)."""
    count, queries = size.choose((40_000, 2_000), (200_000, 10_000))
    values, _ = Features(count, 512).array()
    values -= values.mean(axis=0)
    chosen = np.sort(np.random.default_rng(0).choice(count, queries, replace=False))
    return unit_length(values), chosen


def exact(unit: Float32, queries: Int64, k: int, screen: Screen | None = None) -> Int64:
    """Search all rows, in a few groups of queries."""
    parts = np.array_split(queries, _GROUPS)
    return np.concatenate(list(in_order(lambda part: most_similar(unit, part, k, screen), parts)))
