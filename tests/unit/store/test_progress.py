from __future__ import annotations

import pytest

from clusterprobe.store import progress
from clusterprobe.store.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_rate_and_time_left_are_those_of_the_clock(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train", 100, every_seconds=10) as report:
        clock[0] = 5
        report.update(10)
        assert capsys.readouterr().err == ""
        clock[0] = 20
        report.update(10, "epoch 2")
        assert capsys.readouterr().err == "train: 20/100 images, 1.0 images/s, ETA 1:20  epoch 2\n"
        clock[0] = 4000
        report.update(80)
    assert capsys.readouterr().err == "train: 100/100 images, 0.0 images/s, took 1:06:40\n"


def test_an_early_end_says_where(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("index", 10) as report:
        clock[0] = 1
        report.update(4)
    assert capsys.readouterr().err == "index: 4/10 images, stopped after 0:01\n"


def test_without_any_unit_nobody_knows_how_long(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("train", 10) as report:
        clock[0] = 10
        report.update(0)
        assert capsys.readouterr().err == "train: 0/10 images, 0.0 images/s, ETA unknown\n"
    assert capsys.readouterr().err == "train: 0/10 images, stopped after 0:10\n"


def test_more_than_there_was_to_do_is_said_once(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("fit", 10, "rows") as report:
        for _ in range(30):
            clock[0] += 1
            report.update(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "fit: 10/10 rows",
        "fit: 20/10 rows",
        "fit: 30/10 rows",
    ]
