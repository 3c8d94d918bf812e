"""The bottleneck of an extraction has a name."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from clusterprobe.features.balance import Balance
from clusterprobe.store.progress import Progress


def slow(seconds: float) -> Iterator[int]:
    for number in range(5):
        time.sleep(seconds)
        yield number


@pytest.mark.parametrize(
    ("reading", "working", "workers", "said"),
    [
        (0.03, 0.001, 0, "this process decodes itself: raise compute.workers"),
        (0.03, 0.001, 3, "3 processes decode: raise compute.workers"),
        (0.0, 0.03, 0, None),
    ],
)
def test_the_slower_side_is_named(
    capsys: pytest.CaptureFixture[str], reading: float, working: float, workers: int, said: str | None
) -> None:
    with Balance(workers, Progress("features", 5), worth_seconds=0.05) as balance:
        for _ in balance.waiting(slow(reading)):
            time.sleep(working)
    assert balance.worked > 4 * working
    printed = capsys.readouterr().err
    assert (said in printed and printed.startswith("features: ")) if said else not printed


def test_short_work_is_not_worth_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    with Balance(0, Progress("features", 5)) as balance:
        assert list(balance.waiting(slow(0.01))) == list(range(5))
    assert not capsys.readouterr().err


def test_nothing_to_read_is_nothing_to_say() -> None:
    assert list(Balance(0, Progress("features", 0)).waiting([])) == []
