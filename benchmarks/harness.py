"""What a benchmark is, how it is timed, and the record that it leaves.

A question is one file of benchmarks/questions: a `QUESTION` and a function `measure(size)`. Ours and the peer
run in one process on the same data with the same number of threads, in turns, and the fastest time of each
counts: what else the machine does disturbs both alike.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from clusterprobe.store.atomic import write_json
from clusterprobe.store.provenance import git_state, versions

R = TypeVar("R")
S = TypeVar("S")
HERE = Path(__file__).parent
RECORDS = HERE / "records"
_RESULTS = ("records", "RESULTS.md", "*.png")  # what a run changes itself
THREADS = 2

SizeName = Literal["quick", "standard", "full"]


@dataclass(frozen=True)
class Size:
    """How large a run is: quick takes minutes, full hours; and a folder for large files that may go."""

    name: SizeName
    folder: Path

    def choose(self, quick: R, standard: R) -> R:
        """Return the value for this size."""
        return quick if self.name == "quick" else standard


@dataclass(frozen=True)
class Question:
    """What is compared with what, and the ratio that is aimed at (None: a growth curve, without an aim).

    `text` names the standard sizes, `quick` those of a quick run where they are smaller. `smoke`: it shows
    that something works and how fast, and its accuracies are no result.
    """

    id: str
    text: str
    peer: str
    target: float | None
    quick: str = ""
    smoke: bool = False

    def at(self, size: Size) -> dict[str, Any]:
        """Return what a record says of the question that was asked at some size."""
        text = self.quick if self.quick and size.name == "quick" else self.text
        asked = {"id": self.id, "text": text, "peer": self.peer, "target": self.target}
        return asked | ({"smoke": True} if self.smoke else {})


@dataclass(frozen=True)
class Outcome:
    """The ratio that was measured (None: not run) and everything else, by name.

    `holds` is False where the ratio alone would not do: a result that is not equal, say. `note` says why.
    """

    ratio: float | None
    facts: dict[str, Any] = field(default_factory=dict)
    holds: bool = True
    note: str = ""


def verdict(question: Question, outcome: Outcome) -> str:
    """Return REACHED, MISSED or NOT-RUN."""
    if outcome.ratio is None or question.target is None:
        return "NOT-RUN"
    return "REACHED" if outcome.ratio >= question.target and outcome.holds else "MISSED"


def line(question: Question, outcome: Outcome) -> str:
    """Return the line that is printed for a question."""
    ratio = "-" if outcome.ratio is None else f"{outcome.ratio:.2f}"
    target = "-" if question.target is None else f"{question.target:g}"
    return f"BENCH {question.id} ratio={ratio} target={target} {verdict(question, outcome)}"


def record(question: Question, outcome: Outcome, size: Size, seconds: float, load: float) -> None:
    """Write the record of one run; one that did not run never takes the place of one that did."""
    path = RECORDS / size.name / f"{question.id}.json"
    if not outcome.facts and path.exists():
        return
    write_json(
        path,
        question.at(size)
        | asdict(outcome)
        | {
            "verdict": verdict(question, outcome),
            "seconds": round(seconds, 1),
            "threads": THREADS,
            "load_before": round(load, 2),
            "load_after": round(os.getloadavg()[0], 2),
            "peak_rss_mb": round(peak_rss_mb()),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "hardware": hardware(),
        }
        | git_state(HERE, *_RESULTS),
    )


def in_turns(ours: Callable[[], R], peer: Callable[[], S], repeats: int) -> tuple[float, float, R, S]:
    """Run both a few times in turns; return the fastest seconds of each, and what each returned last."""
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        mine, our_result = timed(ours)
        theirs, peer_result = timed(peer)
        times.append((mine, theirs))
    return min(mine for mine, _ in times), min(theirs for _, theirs in times), our_result, peer_result


def timed(work: Callable[[], R]) -> tuple[float, R]:
    """Return how many seconds some work took, and its result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak_rss_mb() -> float:
    """Return the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def hardware() -> dict[str, Any]:
    """Return processor, cores and memory."""
    names = [
        text.split(":", 1)[1].strip()
        for text in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if text.startswith("model name")
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "processor": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
    }
