"""The plan for a billion images follows from measured rates."""

from __future__ import annotations

import pytest

from benchmarks.plan import PASSES, Rates, plan, rates, table

CURVES = {
    "k": {"at": [10, 100], "seconds": {"assignment": [1.0, 4.0]}},
    "rows": {"at": [1000, 2000]},
    "dims": {"at": [8, 32], "seconds": {"components": [1.0, 2.0]}},
}


def test_rates_are_those_of_the_largest_sizes() -> None:
    found = rates(CURVES)
    assert found.assignment == pytest.approx(2 * 1000 * 8 * 100 / 4)
    assert found.components == pytest.approx(1000 * 32**2 / 2)


def test_every_image_is_read_once_per_level() -> None:
    jobs = plan(10**9, 2048, 1000, Rates(5e10, 4e10))
    products, upper, assignment, lower = jobs
    assert products.jobs * products.reads_gb == pytest.approx(4096)
    assert assignment.jobs * assignment.reads_gb == pytest.approx(4096)
    assert lower.jobs * lower.reads_gb == pytest.approx(4096)
    flat = 2 * 1e9 * 1e6 * 2048 / 5e10 / 3600  # one pass over a million centres
    assert assignment.jobs * assignment.core_hours == pytest.approx(flat / 1000)
    assert lower.jobs * lower.core_hours == pytest.approx(PASSES * flat / 1000)
    assert upper.core_hours < assignment.jobs * assignment.core_hours
    assert table(jobs).count("\n") == 5
