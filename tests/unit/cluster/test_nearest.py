from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster import nearest
from clusterprobe.cluster.nearest import few_at_a_time, squared_distances


def test_squared_distances_are_those_of_the_definition_and_zero_at_the_centre(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearest, "_VALUES_AT_ONCE", 100)
    generator = np.random.default_rng(0)
    centres = generator.standard_normal((5, 8)).astype(np.float32) + 100
    labels = generator.integers(5, size=203).astype(np.int32)
    block = centres[labels] + generator.standard_normal((203, 8)).astype(np.float32)
    block[50:60] = centres[labels[50:60]]
    found = squared_distances(block, centres, labels)
    wide = np.square(block.astype(np.float64) - centres[labels]).sum(axis=1)
    np.testing.assert_allclose(found, wide, rtol=1e-5)
    assert (found[50:60] == 0).all()


@pytest.mark.parametrize(("count", "width"), [(0, 3), (1, 3), (203, 8), (7, 10**9)])
def test_few_at_a_time_cover_all_rows_once(count: int, width: int) -> None:
    parts = [np.arange(count)[here] for here in few_at_a_time(count, width)]
    assert np.array_equal(np.concatenate([*parts, np.arange(0)]), np.arange(count))
