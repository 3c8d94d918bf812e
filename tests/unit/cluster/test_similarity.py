from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from clusterprobe.cluster import similarity
from clusterprobe.cluster.similarity import Pairs, scored


def test_scores_are_inner_products_and_few_rows_are_fetched_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(similarity, "_ROWS_AT_ONCE", 50)
    generator = np.random.default_rng(0)
    unit = generator.standard_normal((4000, 256)).astype(np.float32)
    queries = np.array([7, 3, 11])
    # the first has all rows as candidates, as where all are equal; the second none
    query, row = np.repeat([0, 2], [4000, 5]), np.append(np.arange(4000), [1, 2, 3, 4, 11])
    pairs = Pairs(query, row, np.zeros(len(row), np.float32))
    tracemalloc.start()
    try:
        found = scored(unit, queries, pairs)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    expected = np.einsum("pd,pd->p", unit[queries[query]].astype(np.float64), unit[row])
    np.testing.assert_allclose(found.score, expected, atol=1e-3)
    assert peak < unit.nbytes / 10
