"""Processes that a test starts, watched from outside."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def workers(tmp_path: Path) -> Callable[[], list[int]]:
    """Return what finds the processes of torchrun whose order lies in the folder of the test."""

    def running() -> list[int]:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if b"-m\0clusterprobe.runs.processes" in command and str(tmp_path).encode() in command:
                found.append(int(process.name))
        return found

    return running


@pytest.fixture
def wait_for() -> Callable[..., None]:
    """Wait until something is there."""

    def wait(there: Callable[[], Any], seconds: float = 60) -> None:
        limit = time.monotonic() + seconds
        while not there():
            assert time.monotonic() < limit
            time.sleep(0.1)

    return wait
