"""What the experiment cost: time and memory of every stage, from the benchmark files of its jobs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusterprobe.report.pages import page, simple_table, text

_FOLDER = "benchmarks"


@dataclass(frozen=True)
class Job:
    """One run of one job. Memory and CPU time are null where the job ended before they were sampled."""

    stage: str
    seconds: float
    memory_mb: float | None
    cpu_seconds: float | None


@dataclass(frozen=True)
class Benchmarks:
    """All jobs that left a record, and how many files or lines did not hold one."""

    jobs: tuple[Job, ...]
    missing: int
    damaged: int


def read_benchmarks(paths: Sequence[Path]) -> Benchmarks:
    """Read benchmark files of JSON lines; missing files and damaged lines are counted, not fatal.

    The stage of a job is the rule name in its record. Without one it is the folder below `benchmarks`, or, of
    a file that lies in `benchmarks` itself, its name up to the first full stop.
    """
    jobs: list[Job] = []
    missing = damaged = 0
    for path in map(Path, paths):
        if not path.is_file():
            missing += 1
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            job = _read_line(line, path)
            damaged += job is None
            jobs += [job] if job else []
    return Benchmarks(tuple(jobs), missing, damaged)


def build_cost_page(paths: Sequence[Path], title: str = "Cost") -> str:
    """Return the page with time and memory of every stage, stages by total time."""
    found = read_benchmarks(paths)
    stages: dict[str, list[Job]] = {}
    for job in found.jobs:
        stages.setdefault(job.stage, []).append(job)
    ordered = sorted(stages, key=lambda stage: (-sum(job.seconds for job in stages[stage]), stage))
    rows = [_row(stage, stages[stage]) for stage in ordered]
    body = [f"<h1>{text(title)}</h1>"]
    if rows:
        headers = ["Stage", "Jobs", "Time, all jobs", "Mean job", "Longest job", "CPU time", "Peak memory"]
        body.append(simple_table(headers, [*rows, _row("All stages", list(found.jobs))], total=True))
    else:
        body.append("<p>No job of this experiment left a benchmark.</p>")
    notes = ["Time is that of the last run of each job; jobs that were not run again keep their old record."]
    if any(job.memory_mb is None for job in found.jobs):
        notes.append("“Not sampled”: the jobs ended before memory and CPU time were looked at.")
    if found.missing:
        notes.append(f"Benchmark files that are missing: {found.missing}.")
    if found.damaged:
        notes.append(f"Lines that could not be read: {found.damaged}.")
    body += [f'<p class="note">{text(note)}</p>' for note in notes]
    return page(title, "\n".join(body))


def _read_line(line: str, path: Path) -> Job | None:
    try:
        record = json.loads(line)
    except json.JSONDecodeError:
        return None
    seconds = _number(record, "s") if isinstance(record, dict) else None
    if seconds is None:
        return None
    stage = str(record.get("rule_name") or _stage(path))
    return Job(stage, seconds, _number(record, "max_rss"), _number(record, "cpu_time"))


def _number(record: Mapping[str, Any], name: str) -> float | None:
    try:
        value = float(record[name])
    except (KeyError, TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _stage(path: Path) -> str:
    parts = path.parts
    below = parts[len(parts) - parts[::-1].index(_FOLDER) :] if _FOLDER in parts else parts[-2:]
    return below[0] if len(below) > 1 else path.name.split(".")[0]


def _row(stage: str, jobs: list[Job]) -> list[str]:
    seconds = [job.seconds for job in jobs]
    memory = [job.memory_mb for job in jobs if job.memory_mb is not None]
    cpu = [job.cpu_seconds for job in jobs if job.cpu_seconds is not None]
    return [
        stage,
        f"{len(jobs):,}",
        _duration(sum(seconds)),
        _duration(sum(seconds) / len(jobs)),
        _duration(max(seconds)),
        _duration(sum(cpu)) if cpu else "not sampled",
        _memory(max(memory)) if memory else "not sampled",
    ]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _memory(megabytes: float) -> str:
    return f"{megabytes / 1024:.1f} GiB" if megabytes >= 1024 else f"{megabytes:.0f} MiB"
