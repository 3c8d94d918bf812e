"""One task in one process for each GPU of this machine.

torchrun starts them, here by its Python interface, so that a signal to the job reaches every process and
their exit code comes back. One process needs none of that and is this one.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import (
    ChildFailedError,
    ProcessFailure,
    get_error_handler,
)
from torch.distributed.run import parse_args, run

from clusterprobe.config.errors import UserError
from clusterprobe.store.disk import advice
from clusterprobe.train import distributed
from clusterprobe.train.interrupt import KEYBOARD_EXIT_CODE, TIME_LIMIT_EXIT_CODE

# torchrun takes these over and leaves them so.
_HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux
_MISTAKE = f"{UserError.__name__}: "  # how torchrun passes one on


def in_processes(processes: int, task: Callable[..., int], given: Mapping[str, Any]) -> int:
    """Call task(**given) in several processes that form a group; return 0, or the exit code for this process.

    `task` is a function of a module, which returns an exit code; `given` is plain JSON. The first process
    that fails ends the others; the UserError that one of them raises is raised here. `processes` 0 is 1.
    """
    if processes < 2:
        return task(**given)
    order = {"module": task.__module__, "task": task.__name__, "given": given, "launcher": os.getpid()}
    # In a file, as what one argument may hold is bounded.
    with tempfile.TemporaryDirectory(prefix="clusterprobe-") as folder:
        path = Path(folder) / "order.json"
        path.write_text(json.dumps(order), encoding="utf-8")
        return _launch(["--standalone", f"--nproc-per-node={processes}", "-m", __name__, str(path)])


def _launch(command: list[str]) -> int:
    before = {number: signal.getsignal(number) for number in _HANDLED}
    try:
        run(parse_args(command))  # type: ignore[no-untyped-call]
    except SignalException as stopped:
        interrupted = stopped.sigval == signal.SIGINT
        return KEYBOARD_EXIT_CODE if interrupted else TIME_LIMIT_EXIT_CODE
    except ChildFailedError as failed:
        # A mistake is why the others failed too, maybe within the same second.
        for said in map(_said, failed.failures.values()):
            if said.startswith(_MISTAKE):
                raise UserError(said.removeprefix(_MISTAKE)) from None
        return max(1, failed.get_first_failure()[1].exitcode)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _said(failure: ProcessFailure) -> str:
    told: Any = failure.message
    return str(told["message"] if isinstance(told, dict) else told)


def _end_with(launcher: int) -> None:
    """Die when the launcher is killed: sessions of their own, as torchrun makes them, would survive it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != launcher:
        sys.exit("the process that started this one is gone")


def as_mistake(error: UserError | OSError) -> UserError | None:
    """Return what a person can mend, a disk that takes no more included; None for any other error."""
    if isinstance(error, UserError):
        return error
    reason = advice(error)
    return UserError(f"{error.filename}: {reason}" if error.filename else reason) if reason else None


def _end_with_mistake(mistake: UserError) -> NoReturn:
    """Say what is wrong and die at once: only then do the others fail, as their group is broken."""
    get_error_handler().record_exception(mistake)
    print(mistake, file=sys.stderr, flush=True)
    os._exit(1)


if __name__ == "__main__":
    order = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    _end_with(order["launcher"])
    with distributed.process_group():
        try:
            sys.exit(getattr(import_module(order["module"]), order["task"])(**order["given"]))
        except (UserError, OSError) as error:
            mistake = as_mistake(error)
            if mistake is None:
                raise
            _end_with_mistake(mistake)
