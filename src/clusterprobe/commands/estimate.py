"""How long a run may take, from the records that earlier runs left."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from clusterprobe.commands.stages import REST, STAGES
from clusterprobe.report.cost import read_benchmarks

PER_PICTURE = frozenset(
    {
        "index_dataset",
        "extract_features",
        "mine_neighbours",
        "fit_kmeans",
        "try_candidates",
        "assign_clusters",
        "draw_thumbnails",
        "arrange_pictures",
        "build_picture_gallery",
    }
)
"""Rules whose time grows with the number of pictures."""


def estimate(jobs: Mapping[str, int], pictures: int, folders: Sequence[Path]) -> dict[str, float | None]:
    """Return the seconds that all jobs of each rule may take, None where no earlier run says.

    `folders` are folders of earlier runs, the most telling first: the first that knows a rule counts. Times
    of stages that look at every picture are scaled by their number.
    """
    known: dict[str, float] = {}
    for folder in folders:
        for rule, seconds in _means(folder).items():
            scale = 1.0
            if rule in PER_PICTURE and (before := _pictures(folder)):
                scale = max(1.0, pictures / before)
            known.setdefault(rule, seconds * scale)
    return {rule: known[rule] * count if rule in known else None for rule, count in jobs.items()}


def estimate_lines(jobs: Mapping[str, int], seconds: Mapping[str, float | None]) -> Iterator[str]:
    """Yield what would run, stage by stage, and how long it may take, one job after the other."""
    if not jobs:
        yield "Nothing would run: all is made."
        return
    stages: dict[str, list[str]] = {}
    for rule in jobs:
        stages.setdefault(STAGES.get(rule, REST), []).append(rule)
    for stage, rules in stages.items():
        count = sum(jobs[rule] for rule in rules)
        told = [each for rule in rules if (each := seconds[rule]) is not None]
        time = f"about {sum(told):.0f} s" if told else "no record of it yet"
        yield f"{stage}: {count} job{'s' if count > 1 else ''}, {time}"
    known = [each for each in seconds.values() if each is not None]
    if not known:
        yield "How long all of it takes is not known: there is no earlier run here to go by."
        return
    also = "; some jobs have none" if len(known) < len(seconds) else ""
    yield f"All together: about {sum(known):.0f} s, from the records of earlier runs{also}."


def _means(folder: Path) -> dict[str, float]:
    seconds: dict[str, list[float]] = defaultdict(list)
    for job in read_benchmarks(sorted((folder / "data" / "benchmarks").glob("**/*.jsonl"))).jobs:
        seconds[job.stage].append(job.seconds)
    return {rule: statistics.mean(values) for rule, values in seconds.items()}


def _pictures(folder: Path) -> int:
    """Return the number of pictures of an earlier run, the largest of its sets; 0 if it does not say."""
    counts = [0]
    for path in (folder / "data" / "manifests").glob("*/train.json"):
        try:
            counts.append(int(json.loads(path.read_text(encoding="utf-8"))["rows"]))
        except (OSError, ValueError, KeyError):
            continue
    return max(counts)
