"""A training in one process for each GPU of this machine.

torchrun starts them, here by its Python interface, so that a signal to the job reaches every process and
their exit code comes back. One process needs none of that and is this one.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, get_error_handler
from torch.distributed.run import parse_args, run

from clusterprobe.config.errors import UserError
from clusterprobe.runs.ingredients import Ingredients
from clusterprobe.runs.training import run_training
from clusterprobe.train import distributed
from clusterprobe.train.interrupt import KEYBOARD_EXIT_CODE, TIME_LIMIT_EXIT_CODE, TrainingInterrupted

# torchrun takes these over and leaves them so.
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
_MISTAKE = f"{UserError.__name__}: "  # how torchrun passes one on


def train_in_processes(
    processes: int,
    definition: Mapping[str, Any],
    made_from: Mapping[str, str | Sequence[str]],
    folder: str,
    state: str,
    *,
    seconds_left: float | None = None,
    **options: Any,
) -> int:
    """Train as `run_training` does; return 0, or the exit code for this process. Raises what it raises.

    Args:
        processes: how many share every batch; 0 is 1.
        definition, folder, state, options: as `run_training` takes them.
        made_from: the fields of Ingredients that are given; whatever goes to another process is plain JSON.
        seconds_left: how long this job may still run; None knows no limit.
    """
    until = time.time() + seconds_left if seconds_left is not None else None
    order = {
        "definition": definition,
        "made_from": made_from,
        "folder": folder,
        "state": state,
        "until": until,
        "options": options,
        "launcher": os.getpid(),
    }
    return _train(order) if processes < 2 else _launch(processes, json.dumps(order))


def _launch(processes: int, order: str) -> int:
    command = ["--standalone", f"--nproc-per-node={processes}", "-m", __name__, order]
    before = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        run(parse_args(command))  # type: ignore[no-untyped-call]
    except SignalException as stopped:
        interrupted = stopped.sigval == signal.SIGINT
        return KEYBOARD_EXIT_CODE if interrupted else TIME_LIMIT_EXIT_CODE
    except ChildFailedError as failed:
        # Whoever failed first says why; the others were then stopped.
        failure = failed.get_first_failure()[1]
        told: Any = failure.message
        said = str(told["message"] if isinstance(told, dict) else told)
        if said.startswith(_MISTAKE):
            raise UserError(said.removeprefix(_MISTAKE)) from None
        return max(1, failure.exitcode)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _train(order: Mapping[str, Any]) -> int:
    made_from: dict[str, Any] = {
        name: Path(given) if isinstance(given, str) else [Path(path) for path in given]
        for name, given in order["made_from"].items()
    }
    left = order["until"] - time.time() if order["until"] is not None else None
    try:
        run_training(
            order["definition"],
            Ingredients(**made_from),
            Path(order["folder"]),
            Path(order["state"]),
            deadline_seconds=left,
            **order["options"],
        )
    except TrainingInterrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    return 0


def _end_with(launcher: int) -> None:
    """Die when the launcher is killed: sessions of their own, as torchrun makes them, would survive it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != launcher:
        sys.exit("the process that started this one is gone")


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    _end_with(given["launcher"])
    try:
        with distributed.process_group():
            sys.exit(_train(given))
    except UserError as error:
        get_error_handler().record_exception(error)
        sys.exit(f"{error}")
