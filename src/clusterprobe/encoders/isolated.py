"""The Python of its own, with TensorFlow, in which `foreign_worker` runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from clusterprobe.config.errors import UserError
from clusterprobe.encoders import foreign_worker

VARIABLE = "CLUSTERPROBE_TENSORFLOW"
DEFAULT = Path(".venv-tensorflow/bin/python")


def worker_command(*arguments: str) -> list[str]:
    """Return the command that runs the worker; raises UserError where there is no Python for it."""
    python = Path(os.environ.get(VARIABLE) or DEFAULT)
    if not python.is_file():
        raise UserError(
            f"this encoder is read by TensorFlow in an environment of its own, but {python} does not exist: "
            "make it by `conda env create --prefix .venv-tensorflow --file envs/tensorflow.yaml`, or set "
            f"{VARIABLE} to a Python that has TensorFlow (see docs/encoders.md)"
        )
    return [str(python), "-I", foreign_worker.__file__, *arguments]


def run_worker(*arguments: str) -> None:
    """Run one command of the worker to its end; raises UserError with what it says is wrong."""
    done = subprocess.run(worker_command(*arguments), stderr=subprocess.PIPE, text=True)
    if done.returncode:
        raise UserError(worker_message(done.stderr, done.returncode))


def worker_message(said: str, code: int) -> str:
    """Return what a worker that failed has said, or the last lines of it if it did not expect to fail."""
    lines = [line for line in said.splitlines() if line.strip()]
    told = [line for line in lines if line.startswith(foreign_worker.ERROR)]
    if told:
        return told[-1].removeprefix(foreign_worker.ERROR)
    return f"the TensorFlow environment ended with code {code}: {' | '.join(lines[-3:]) or 'it said nothing'}"
