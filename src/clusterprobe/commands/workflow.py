"""The workflow behind the command line: where it lies, how it is called, what it says while it runs."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from clusterprobe.config.errors import UserError

Heard = Callable[[str], None]

_FAILED = re.compile(r"^Error in rule (\w+):")
_OF_NO_USE = "Using workflow specific profile"
_ROW = re.compile(r"^(\w+)\s+(\d+)$")


def workflow_home() -> Path:
    """Return the folder of the Snakefile: the checkout that this package lies in, or what came with it."""
    checkout = Path(__file__).resolve().parents[3]
    installed = Path(sysconfig.get_path("data")) / "share" / "clusterprobe"
    for home in (checkout, installed):
        if (home / "Snakefile").is_file() and (home / "workflow").is_dir():
            return home
    raise UserError(
        f"the workflow is neither in {checkout} nor in {installed}: install clusterprobe again, "
        "from a wheel or a checkout"
    )


def command(folder: Path, config: Path, cores: int, more: Sequence[str] = ()) -> list[str]:
    """Return the call of Snakemake that makes everything that `config` asks for in `folder`."""
    home = workflow_home()
    return [
        *(sys.executable, "-m", "snakemake"),
        *("--snakefile", str(home / "Snakefile")),
        *("--directory", str(folder)),
        *("--configfile", str(config)),
        *("--workflow-profile", str(home / "profiles" / "default")),
        *("--cores", str(cores)),
        *(_found(word, home) for word in more),
    ]


def _found(word: str, home: Path) -> str:
    """Return a word of the command line; a profile of the workflow (`slurm`) by its full path."""
    brought = home / word
    is_profile = not word.startswith("-") and not Path(word).exists() and brought.exists()
    return str(brought) if is_profile else word


def run(call: Sequence[str], log: Path, hear: Heard) -> int:
    """Run a command with all that it says in a file, line by line given to `hear`; return its exit code.

    An interruption at the terminal reaches both; it is waited for, so that Snakemake can end its jobs.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("w", encoding="utf-8") as kept,
        subprocess.Popen(
            call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None, "a pipe was asked for"
        try:
            for line in process.stdout:
                kept.write(line)
                hear(line.rstrip("\n"))
        except KeyboardInterrupt:
            process.wait()
            raise
    return process.returncode


def planned_jobs(folder: Path, config: Path, more: Sequence[str] = ()) -> dict[str, int]:
    """Return how many jobs of each rule would run; raises UserError with what Snakemake says if it fails."""
    call = command(folder, config, 1, ["--dry-run", "--quiet", "rules", *more])
    done = subprocess.run(call, capture_output=True, text=True, errors="replace")
    if done.returncode:
        told = complaints((done.stdout + "\n" + done.stderr).splitlines())
        raise UserError("\n".join(["the workflow cannot be planned:", *told]))
    return dict(job_counts((done.stdout + "\n" + done.stderr).splitlines()))


def job_counts(lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Yield rule and number of jobs of the table `Job stats`, the target and the total apart."""
    in_table = False
    for line in lines:
        if line.startswith("Job stats:"):
            in_table = True
        elif in_table and (row := _ROW.match(line.strip())):
            if row[1] not in ("all", "total"):
                yield row[1], int(row[2])
        elif in_table and not line.strip():
            in_table = False


def complaints(lines: Sequence[str]) -> list[str]:
    """Return the messages of failed jobs (`rule: message`) in what Snakemake said, or its last words."""
    rules = {match[1] for line in lines if (match := _FAILED.match(line))}
    found = [line for line in lines if line.partition(": ")[0] in rules and line.partition(": ")[2]]
    said = [line for line in lines if line.strip() and not line.startswith(_OF_NO_USE)]
    return list(dict.fromkeys(found)) or said[-15:]
