"""One line on stderr now and then: how far, how fast, how long still."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """Report progress of `total` units with rate and estimated time, at most every `every_seconds`.

    Work that ends well within `quick_seconds` is not worth a word.
    """

    def __init__(
        self,
        what: str,
        total: int,
        unit: str = "images",
        every_seconds: float = 10.0,
        quick_seconds: float = 1.0,
    ) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._every, self._quick = every_seconds, quick_seconds
        self._done = 0
        self._start = self._last = time.monotonic()

    def update(self, n: int, note: str = "") -> None:
        """Count `n` more units; print when it is time or when all is done (and that took a while)."""
        self._done += n
        now = time.monotonic()
        completed = self._done - n < self._total <= self._done
        if now - self._last >= self._every or (completed and now - self._start >= self._quick):
            self._last = now
            self._print(now - self._start, note)

    def finish(self, note: str) -> None:
        """Say that it ended well before the total."""
        seconds = time.monotonic() - self._start
        if self._done < self._total and seconds >= self._quick:
            print(f"{self._what}: {note}, took {_clock(seconds)}", file=sys.stderr, flush=True)
        self._total = self._done

    def note(self, text: str) -> None:
        """Say something about this work."""
        print(f"{self._what}: {text}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Say where it ended if that was before the total."""
        if self._done < self._total:
            where = f"{self._what}: {self._done}/{self._total} {self._unit}"
            print(
                f"{where}, stopped after {_clock(time.monotonic() - self._start)}",
                file=sys.stderr,
                flush=True,
            )

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _print(self, seconds: float, note: str) -> None:
        rate = self._done / max(seconds, 1e-9)
        left = _clock((self._total - self._done) / rate) if self._done else "unknown"
        text = f"{self._what}: {self._done}/{self._total} {self._unit}, {rate:.1f} {self._unit}/s, "
        text += f"ETA {left}" if self._done < self._total else f"took {_clock(seconds)}"
        print(f"{text}{'  ' + note if note else ''}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
