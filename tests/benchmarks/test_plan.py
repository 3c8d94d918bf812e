"""The plan for a billion images follows from measured rates."""

from __future__ import annotations

import pytest

from benchmarks.plan import PASSES, Rates, plan, rates, table


def test_rates_are_measured() -> None:
    found = rates(32, 20)
    assert 1e7 < found.assignment < 1e13


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
