"""What Slurm says about the job around this process."""

from __future__ import annotations

import os
import re
import subprocess

_TIME = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")


def seconds_left(requested_minutes: float) -> float | None:
    """Return how long this Slurm job may still run; None where nothing enforces a time limit.

    The clock of a job starts before Python does, so Slurm is asked; where it does not answer, a job that has
    just begun is assumed.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        return None
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--jobs", job, "--format=%L"], capture_output=True, text=True, timeout=60
        )
        answer = done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        answer = ""
    if answer == "UNLIMITED":
        return None
    left = parse_time(answer)
    return 60.0 * requested_minutes if left is None else left


def parse_time(text: str) -> float | None:
    """Return the seconds of Slurm's [[days-]hours:]minutes:seconds, None for anything else."""
    found = _TIME.fullmatch(text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 86400.0 * days + 3600 * hours + 60 * minutes + seconds
