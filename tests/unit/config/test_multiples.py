from __future__ import annotations

import pytest

from clusterprobe.config.multiples import multiple


@pytest.mark.parametrize(
    ("factor", "classes", "clusters"),
    [(1, 313, 313), (1.5, 313, 469), (1.75, 313, 547), (1.15, 100, 115), (1.1, 10, 11), (0.01, 10, 1)],
)
def test_multiples_are_cut_off(factor: float, classes: int, clusters: int) -> None:
    assert multiple(factor, classes) == clusters
