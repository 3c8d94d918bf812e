"""The bottleneck of an extraction has a name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clusterprobe.features import balance as module
from clusterprobe.features.balance import Balance
from clusterprobe.store.progress import Progress


class Clock:
    """Time that passes only where a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def batches(self, seconds: float) -> Iterator[int]:
        """Five batches, each of which takes so long to come."""
        for number in range(5):
            self.now += seconds
            yield number


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module.time, "monotonic", found)
    return found


@pytest.mark.parametrize(
    ("reading", "working", "workers", "said"),
    [
        (30.0, 1.0, 0, "this process decodes itself: raise compute.workers"),
        (30.0, 1.0, 3, "3 processes decode: raise compute.workers"),
        (0.0, 30.0, 0, None),
        (3.0, 30.0, 0, None),
    ],
)
def test_the_slower_side_is_named(
    clock: Clock,
    capsys: pytest.CaptureFixture[str],
    reading: float,
    working: float,
    workers: int,
    said: str | None,
) -> None:
    with Balance(workers, Progress("features", 5)) as balance:
        for _ in balance.waiting(clock.batches(reading)):
            clock.now += working
    assert balance.worked == pytest.approx(5 * working)
    assert balance.waited == pytest.approx(4 * reading), "the first batch does not count"
    printed = capsys.readouterr().err
    assert (said in printed and printed.startswith("features: ")) if said else not printed


def test_short_work_is_not_worth_a_word(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Balance(0, Progress("features", 5)) as balance:
        assert list(balance.waiting(clock.batches(2.0))) == list(range(5))
    assert not capsys.readouterr().err


def test_nothing_to_read_is_nothing_to_say() -> None:
    assert list(Balance(0, Progress("features", 0)).waiting([])) == []
