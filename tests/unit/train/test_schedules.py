from __future__ import annotations

import math

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.train.options import read_options
from clusterprobe.train.schedules import Schedule


@pytest.mark.parametrize("epoch", [0, 1, 250, 499])
def test_cosine_is_the_formula_of_scan(epoch):
    low = 0.4 * 0.1**3
    expected = low + (0.4 - low) * (1 + math.cos(math.pi * epoch / 500)) / 2
    assert 0.4 * Schedule("cosine", minimum_ratio=1e-3).ratio(epoch, 500) == pytest.approx(
        expected, rel=1e-12
    )


def test_warm_up_rises_to_one_and_the_cosine_follows():
    schedule = Schedule("cosine", warmup_epochs=4)
    assert [schedule.ratio(epoch, 8) for epoch in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert schedule.ratio(6, 8) == pytest.approx(0.5)


def test_steps_fall_at_milestones():
    schedule = Schedule("steps", milestones=[2, 4], factor=0.1)
    assert [schedule.ratio(epoch, 6) for epoch in range(6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_constant_stays():
    assert Schedule().ratio(7, 9) == 1.0


def test_mistakes_name_the_nearest_choice():
    with pytest.raises(UserError, match="schedule: there is no schedule 'cosin'; did you mean 'cosine'"):
        read_options(Schedule, {"name": "cosin"}, "schedule")
    with pytest.raises(UserError, match="unknown key 'warmup'; did you mean 'warmup_epochs'"):
        read_options(Schedule, {"warmup": 3}, "schedule")
