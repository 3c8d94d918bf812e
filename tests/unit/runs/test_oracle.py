from __future__ import annotations

import numpy as np

from clusterprobe.runs.oracle import true_neighbours


def test_false_neighbours_give_way_to_true_ones_in_their_order() -> None:
    labels = np.array([0, 0, 1, 0, 2])
    neighbours = np.array([[1, 2, 3], [2, 0, 4], [0, 1, 3], [2, 4, 1], [0, 1, 2]], dtype=np.int32)
    found = true_neighbours(neighbours, labels)
    assert found.tolist() == [[1, 3, 1], [0, 0, 0], [2, 2, 2], [1, 1, 1], [4, 4, 4]]
    assert found.dtype == np.int32
