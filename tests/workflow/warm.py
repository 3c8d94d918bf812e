"""Snakemake whose jobs find their libraries loaded: each is forked off a process that has imported them.

On a handful of images a job takes ten times as long to import as to work. Jobs are processes of their own as
ever, with their own logs, benchmarks and exit codes.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import subprocess
import sys
import threading
from multiprocessing import connection, forkserver
from pathlib import Path

from snakemake.benchmark import benchmarked
from snakemake.script import PythonScript

LIBRARIES = ["torch", "torchvision", "timm", "safetensors.torch", "scipy.optimize", "scipy.sparse", "pandas"]
LIBRARIES += ["pyarrow.parquet", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_pdf"]
LIBRARIES += ["snakemake.script"]
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

CONTEXT = multiprocessing.get_context("forkserver")
LOCK = threading.Lock()
"""Held where exit codes are read: whoever starts a process reads those of all that have ended."""


def run_script(name: str, begin: connection.Connection) -> None:
    """Be the job, once it may begin: what `python name` would be."""
    begin.recv()
    sys.argv = [name]
    runpy.run_path(name, run_name="__main__")


def execute_script(script: PythonScript, fname: str, edit: bool = False) -> None:
    """Run the script of a job to its end, in place of snakemake.script.PythonScript.execute_script."""
    begin, go = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=run_script, args=(fname, begin))
    with LOCK:
        process.start()
    with benchmarked(process.pid, script.bench_record):
        go.send("on")  # not before: a process that has ended cannot be measured
        connection.wait([process.sentinel])
    with LOCK:
        process.join()
    if process.exitcode:
        raise subprocess.CalledProcessError(process.exitcode, fname)


def own_modules(source: Path) -> list[str]:
    """Return the modules of the project, by their names."""
    paths = (path.relative_to(source).with_suffix("") for path in source.rglob("*.py"))
    return sorted(".".join(path.parts) for path in paths if not path.name.startswith("__"))


if __name__ == "__main__":
    from snakemake.cli import main

    os.environ |= dict.fromkeys(THREADS, "1")
    CONTEXT.set_forkserver_preload(LIBRARIES + own_modules(Path("src")))
    forkserver.ensure_running()  # it imports while the plan is made
    PythonScript.execute_script = execute_script
    main()
