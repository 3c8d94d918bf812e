from __future__ import annotations

import numpy as np

from clusterprobe.cluster.approximate_neighbours import mine_approximate_neighbours, overlap
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.store.rows import ArrayRows


def test_nearly_all_exact_neighbours_are_found_and_their_share_is_told() -> None:
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(20, 32))
    values = (centres[generator.integers(20, size=5000)] + generator.normal(size=(5000, 32))).astype(
        np.float32
    )
    exact = mine_neighbours(ArrayRows(values), 10)
    found, recall = mine_approximate_neighbours(ArrayRows(values), 10)
    assert recall >= 0.99
    assert overlap(exact.astype(np.int64), found.astype(np.int64)) >= 0.98
    assert not (found == np.arange(5000)[:, None]).any(), "no row is its own neighbour"
    again, _ = mine_approximate_neighbours(ArrayRows(values), 10)
    assert np.array_equal(found, again)
