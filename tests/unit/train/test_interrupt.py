from __future__ import annotations

import os
import signal
import threading

import pytest

from clusterprobe.train import interrupt
from clusterprobe.train.interrupt import StopWatch


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(interrupt.time, "monotonic", lambda: now[0])
    return now


def test_deadline_leaves_room_for_two_of_the_longest_steps_and_for_saving(clock):
    with StopWatch(deadline_seconds=100) as watch:
        codes = {}
        for seconds in (5, 10, 69, 71):
            clock[0] = 100.0 + seconds
            codes[seconds] = watch.after_step()
    assert codes == {5: 0, 10: 0, 69: 75, 71: 75}, "10 s of reserve and two steps of 59 s"
    clock[0] = 100.0
    watch = StopWatch(deadline_seconds=1000)
    clock[0] = 1066.0
    with watch:
        clock[0] = 1067.0
        assert watch.after_step() == 0
        clock[0] = 1069.0
        assert watch.after_step() == 75, "at most 30 s of reserve"


def test_without_deadline_only_signals_count(clock):
    with StopWatch() as watch:
        clock[0] = 1e9
        assert watch.after_step() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert watch.after_step() == 75


def test_second_ctrl_c_stops_at_once_and_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), StopWatch() as watch:
        os.kill(os.getpid(), signal.SIGINT)
        assert watch.after_step() == 130
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == before


def test_other_threads_can_train_too():
    codes: list[int] = []

    def work() -> None:
        with StopWatch(deadline_seconds=0) as watch:
            codes.append(watch.after_step())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [75]
