"""What a network waits for while features are extracted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TypeVar

from clusterprobe.store.progress import Progress

T = TypeVar("T")

_ENOUGH = 0.9
_WORTH_A_WORD = 10.0  # seconds


class Balance:
    """Seconds in which batches were waited for, and those in which the network had one.

    At the end it names the bottleneck, if the network worked less than 90 % of the time and that was long.
    The first batch is left out: until it comes, processes start and files are opened.
    """

    def __init__(self, workers: int, progress: Progress, worth_seconds: float = _WORTH_A_WORD) -> None:
        self._workers, self._progress, self._worth = workers, progress, worth_seconds
        self.waited = self.worked = 0.0

    def waiting(self, batches: Iterable[T]) -> Iterator[T]:
        """Yield the batches and measure."""
        source = iter(batches)
        for batch in source:  # the first
            yield from self._measured(batch, source)

    def advice(self) -> str | None:
        """Return what to do about the bottleneck, or None where there is none."""
        total = self.waited + self.worked
        if total < self._worth or self.worked >= _ENOUGH * total:
            return None
        now = f"{self._workers} processes decode" if self._workers else "this process decodes itself"
        return (
            f"the network worked {100 * self.worked / total:.0f} % of the time and waited for images; "
            f"{now}: raise compute.workers, or read the images from a faster disk"
        )

    def __enter__(self) -> Balance:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and (advice := self.advice()):
            self._progress.note(advice)

    def _measured(self, batch: T, source: Iterator[T]) -> Iterator[T]:
        while True:
            start = time.monotonic()
            yield batch
            self.worked += time.monotonic() - start
            start = time.monotonic()
            try:
                batch = next(source)
            except StopIteration:
                return
            self.waited += time.monotonic() - start
