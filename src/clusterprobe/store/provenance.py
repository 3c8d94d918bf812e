"""Where a result comes from: versions, commit, machine. Never part of a declared, reproducible artefact."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clusterprobe.store.atomic import write_json

_PACKAGES: tuple[str, ...] = (
    "clusterprobe",
    "snakemake",
    "torch",
    "torchvision",
    "timm",
    "faiss-cpu",
    "numpy",
    "scipy",
)
_PACKAGES += ("scikit-learn", "pandas", "pyarrow", "matplotlib")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def git_state(folder: Path, *besides: str) -> dict[str, Any]:
    """Return the commit of `folder` and whether its repository has uncommitted changes, `besides` those of
    some paths in the folder; nulls outside a repository."""
    commit = _git(folder, "rev-parse", "HEAD")
    looked_at = [":/", *(f":(exclude){path}" for path in besides)]
    status = _git(folder, "status", "--porcelain", "--", *looked_at) if commit else None
    return {"commit": commit, "dirty": None if status is None else bool(status)}


@contextmanager
def recorded(path: Path, **facts: Any) -> Iterator[dict[str, Any]]:
    """Write one provenance record when the block ends well: the facts, wall time, peak memory, machine.

    The block may add facts to the dictionary that it is given (the device it used, for example).
    """
    start = time.monotonic()
    record: dict[str, Any] = dict(facts)
    yield record
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    write_json(
        path, record | machine() | {"wall_seconds": time.monotonic() - start, "peak_rss_mb": peak / 1024}
    )


def machine() -> dict[str, Any]:
    """Return the facts of this machine and moment."""
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "cpus": os.cpu_count(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "slurm_job": os.environ.get("SLURM_JOB_ID"),
    }


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=20, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
