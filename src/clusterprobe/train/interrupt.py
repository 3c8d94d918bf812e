"""Stopping in good order: signals and a time limit become one question, asked after every step."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

TIME_LIMIT_EXIT_CODE = 75
KEYBOARD_EXIT_CODE = 130
_RESERVE, _LARGEST_RESERVE_SECONDS = 0.25, 30.0  # a share of what is left, and what is always enough


class TrainingInterrupted(Exception):
    """Training stopped before its end; if it has a state path, the state is saved and the next run goes on
    from it.

    Attributes:
        exit_code: what the process should exit with: 75 (terminated or out of time: try again) or 130
            (Ctrl-C).
    """

    def __init__(self, exit_code: int, epoch: int, step: int) -> None:
        reason = "Ctrl-C" if exit_code == KEYBOARD_EXIT_CODE else "SIGTERM or the time limit"
        super().__init__(f"training stopped by {reason} in epoch {epoch} after step {step}")
        self.exit_code = exit_code


class StopWatch:
    """While entered: remembers SIGTERM and SIGINT, and knows when `deadline_seconds` from its creation are
    nearly over.

    "Nearly" leaves room for two of the longest steps so far, for saving, and for the job to end. A second
    Ctrl-C stops at once.
    Outside the main thread, where signals cannot be handled, only the deadline counts.
    """

    def __init__(self, deadline_seconds: float | None = None) -> None:
        self._deadline = deadline_seconds
        self._start = self._last_step = time.monotonic()
        self._longest_step = 0.0
        self._signal_code = 0
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopWatch:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._previous[number] = signal.signal(number, self._remember)
        self._last_step = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def after_step(self) -> int:
        """Note that a step is done; return the exit code to stop with, or 0 to go on."""
        now = time.monotonic()
        self._longest_step = max(self._longest_step, now - self._last_step)
        self._last_step = now
        return self._signal_code or (TIME_LIMIT_EXIT_CODE if self._out_of_time(now) else 0)

    def _out_of_time(self, now: float) -> bool:
        if self._deadline is None:
            return False
        reserve = min(_LARGEST_RESERVE_SECONDS, _RESERVE * self._deadline) + 2 * self._longest_step
        return now - self._start + reserve >= self._deadline

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT:
            if self._signal_code == KEYBOARD_EXIT_CODE:
                raise KeyboardInterrupt
            self._signal_code = KEYBOARD_EXIT_CODE
        else:
            self._signal_code = TIME_LIMIT_EXIT_CODE
