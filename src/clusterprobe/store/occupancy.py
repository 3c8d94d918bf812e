"""One run at a time in a folder, and no lock that outlives its run.

Snakemake's own lock is a file: it stays when its process is killed, and nothing tells whether that run is
still alive. The lock here belongs to the living process of a run. When it is free, and no job is left of the
run, Snakemake's has been left behind. Where the file system has no such locks, Snakemake's is all there is.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from clusterprobe.config.errors import UserError

_LOCK, _RECORD, _LEFT, _SCRIPTS = "run.lock", "run.json", "locks", "scripts"


@dataclass(frozen=True)
class Occupancy:
    """A folder held by this process until it ends."""

    state: Path
    handle: IO[str] | None

    def sign(self, *, local: bool) -> None:
        """Say who works here; call it when Snakemake, too, has locked the folder."""
        record = {"process": os.getpid(), "host": platform.node(), "local": local}
        (self.state / _RECORD).write_text(json.dumps(record), encoding="utf-8")


def occupy(state: Path, patience: float = 10.0) -> Occupancy:
    """Hold the project whose Snakemake state lies in `state`; remove a lock that a killed run has left there.

    It is removed only if that run gave its jobs to no scheduler, and is gone from this very machine with all
    of them; processes that were just killed get `patience` seconds for that. Raises UserError while another
    run, or a job of one, is alive.
    """
    record = _read(state / _RECORD)
    if (record.get("process"), record.get("host")) == (os.getppid(), platform.node()):
        return Occupancy(state, None)  # part of the run that started this process
    state.mkdir(exist_ok=True)
    handle = (state / _LOCK).open("a", encoding="utf-8")
    if not _lock(handle):
        raise UserError(
            f"another run is at work in this folder{_who(record)}: wait until it has ended, or end it"
        )
    until = time.monotonic() + patience
    while (jobs := running_jobs(state)) and time.monotonic() < until:
        time.sleep(0.1)
    if jobs:
        raise UserError(
            "a run was killed in this folder, but its jobs are still at work (processes "
            f"{', '.join(map(str, jobs))}): wait until they have ended, or kill them"
        )
    if (state / _LEFT).is_dir() and any((state / _LEFT).iterdir()):
        _remove_left(state / _LEFT, record, known=jobs is not None)
    (state / _RECORD).unlink(missing_ok=True)
    return Occupancy(state, handle)


def running_jobs(state: Path) -> list[int] | None:
    """Return the processes of this machine that run a script of the project; None if nobody can tell."""
    try:
        done = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    scripts = f" {state.resolve() / _SCRIPTS}/"
    return [int(line.split()[0]) for line in done.stdout.splitlines() if scripts in line]


def _remove_left(locks: Path, record: dict[str, Any], *, known: bool) -> None:
    if known and record.get("local") and record.get("host") == platform.node():
        shutil.rmtree(locks)
        print(f"A run was killed here{_who(record)}. Its lock is removed, this run goes on.", file=sys.stderr)
    else:
        print(f"The last run here was killed{_who(record)}. Its jobs may still be alive.", file=sys.stderr)


def _lock(handle: IO[str]) -> bool:
    """Return False if another process holds the lock; True also where there are no such locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _who(record: dict[str, Any]) -> str:
    return (
        f" (process {record['process']} on {record['host']})" if {"process", "host"} <= record.keys() else ""
    )
