"""The GPUs of this machine, handed out so that every job has its own.

Snakemake counts GPUs but does not say which one a job gets. Here a device belongs to the process
that holds the lock of its name. The locks are abstract Unix sockets: they exist in memory only, vanish with
their process, and hold for all folders and users of the machine.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

_DEVICE = re.compile(r"\d+|(GPU|MIG)-\S+")


def visible_devices(
    environment: Mapping[str, str] = os.environ, devices: Path = Path("/dev")
) -> tuple[str, ...]:
    """Return the GPUs that this process may use, by their names in CUDA_VISIBLE_DEVICES."""
    given = environment.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return tuple(str(number) for number, _ in enumerate(devices.glob("nvidia[0-9]*")))
    found: list[str] = []
    for name in given.split(","):
        if not _DEVICE.fullmatch(name.strip()):
            break  # CUDA, too, ignores what stands behind an invalid name
        found.append(name.strip())
    return tuple(found)


@contextmanager
def own_devices(count: int, among: tuple[str, ...] | None = None) -> Iterator[tuple[str, ...]]:
    """Hold `count` GPUs, or all if there are fewer, and name them in CUDA_VISIBLE_DEVICES.

    Waits while others hold them; where there are none, changes nothing. Enter it before CUDA is used for
    the first time. `among`: which GPUs there are; None looks.
    """
    among = visible_devices() if among is None else among
    with ExitStack() as stack:
        held = _hold(min(count, len(among)), among, stack)
        if held:
            _set_for_now("CUDA_VISIBLE_DEVICES", ",".join(held), stack)
        yield held


def _hold(count: int, among: tuple[str, ...], stack: ExitStack) -> tuple[str, ...]:
    """Lock all at once or none, so that two jobs never wait for each other."""
    while True:
        with ExitStack() as attempt:
            held: list[str] = []
            for name in among:
                if len(held) < count and _lock(name, attempt):
                    held.append(name)
            if len(held) == count:
                stack.push(attempt.pop_all())
                return tuple(held)
        time.sleep(0.5)


def _lock(name: str, stack: ExitStack) -> bool:
    # Inside different Slurm jobs the same name may mean different devices.
    scope = os.environ.get("SLURM_JOB_ID", "")
    lock = socket.socket(socket.AF_UNIX)
    try:
        lock.bind(f"\0clusterprobe/gpu/{scope}/{name}")
    except OSError:
        lock.close()
        return False
    stack.callback(lock.close)
    return True


def _set_for_now(name: str, value: str, stack: ExitStack) -> None:
    before = os.environ.get(name)
    if before is None:
        stack.callback(os.environ.pop, name, None)
    else:
        stack.callback(os.environ.__setitem__, name, before)
    os.environ[name] = value
