"""Run benchmarks: `python -m benchmarks [--size quick|standard|full] [--folder FOLDER] [id ...]`.

Each question runs in a process of its own, prints its line and leaves a record; benchmarks/RESULTS.md is made
of the records alone.
"""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType

from benchmarks.harness import HERE, THREADS, Outcome, Size, line, record
from benchmarks.results import write_results
from benchmarks.synthetic import NoSpace

_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    arguments = _parse()
    if arguments.here:
        return _run_here(arguments.ids[0], Size(arguments.size, arguments.folder))
    failed = [
        name
        for name in arguments.ids or _asked_at(arguments.size)
        if _run_apart(name, arguments.size, arguments.folder)
    ]
    write_results()
    return 1 if failed else 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("ids", nargs="*", help="questions; all if none is named")
    parser.add_argument("--size", choices=("quick", "standard", "full"), default="standard")
    parser.add_argument("--folder", type=Path, help="where large files go; kept if given")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    for name in arguments.ids:
        if name not in _names():
            parser.error(f"there is no question {name}; choose from {', '.join(_names())}")
    return arguments


def _names() -> list[str]:
    return sorted(path.stem.replace("_", "-") for path in (HERE / "questions").glob("[a-z]*.py"))


def _asked_at(size: str) -> list[str]:
    """Return the questions of a run of some size: `full` asks those that only a full run can answer."""
    return [name for name in _names() if size != "full" or name.endswith("-full")]


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"benchmarks.questions.{name.replace('-', '_')}")


def _run_apart(name: str, size: str, folder: Path | None) -> int:
    """Run one question in a process of its own, with the same number of threads for every library."""
    environment = os.environ | dict.fromkeys(_LIBRARIES, str(THREADS))
    with tempfile.TemporaryDirectory(prefix="clusterprobe-bench-") as temporary:
        place = folder or Path(temporary)
        place.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks", "--here", "--size", size, "--folder", str(place), name]
        return subprocess.run(command, cwd=HERE.parent, env=environment).returncode


def _run_here(name: str, size: Size) -> int:
    module = _module(name)
    load, start = os.getloadavg()[0], time.perf_counter()
    try:
        outcome: Outcome = module.measure(size)
    except NoSpace as reason:
        outcome = Outcome(None, note=str(reason))
    record(module.QUESTION, outcome, size, time.perf_counter() - start, load)
    if module.QUESTION.target is not None or not outcome.facts:
        print(line(module.QUESTION, outcome) + (f"  ({outcome.note})" if outcome.note else ""), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
