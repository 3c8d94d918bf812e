"""What a person sees of a run: one line for each stage, with its rate and what is left."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from clusterprobe.commands.workflow import job_counts

STAGES = {
    "index_dataset": "look at the pictures",
    "build_encoder": "build the encoder",
    "fetch_checkpoint": "get the checkpoint",
    "unpack_checkpoint": "unpack the checkpoint",
    "convert_checkpoint": "convert the checkpoint",
    "train_encoder": "train",
    "extract_features": "compute features",
    "fit_pca": "principal components",
    "mine_neighbours": "find neighbours",
    "fit_kmeans": "cluster",
    "assign_clusters": "cluster",
    "try_candidates": "try numbers of clusters",
    "score_clusterings": "judge numbers of clusters",
    "choose_clusters": "choose the number of clusters",
    "draw_thumbnails": "draw thumbnails",
    "arrange_pictures": "arrange the result",
    "build_picture_gallery": "write the gallery",
}
"""Rules by the names that people see; all others are parts of what `REST` says."""

REST = "write the report"
_STARTED = re.compile(r"^(?:local)?rule (\w+):$")
_ENDED = re.compile(r"^Finished jobid: \d+ \(Rule: (\w+)\)$")
_LOG = re.compile(r"^    log: (\S+)")
_PAUSE = 10.0  # seconds between lines about a stage that goes on


@dataclass
class _Stage:
    total: int
    done: int = 0
    began: float | None = None
    logs: list[Path] = field(default_factory=list)


class StageLines:
    """Listens to Snakemake line by line, and prints a line when a stage ends, or has gone on for a while."""

    def __init__(self, folder: Path, out: TextIO = sys.stderr) -> None:
        self._folder, self._out = folder, out
        self._stages: dict[str, _Stage] = {}
        self._lines: list[str] = []
        self._table: list[str] | None = None
        self._said = ""
        self._rule = ""
        self._stop = threading.Event()

    def __enter__(self) -> StageLines:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()

    @property
    def lines(self) -> list[str]:
        """All that was heard."""
        return self._lines

    def hear(self, line: str) -> None:
        """Take one line."""
        self._lines.append(line)
        if line.startswith("Job stats:"):
            self._table = [line]
        elif self._table is not None:
            self._table.append(line)
            if not line.strip() and len(self._table) > 3:
                self._plan(self._table)
                self._table = None
        elif match := _STARTED.match(line):
            self._rule = match[1]
            stage = self._stage(match[1])
            stage.began = stage.began or time.monotonic()
        elif match := _LOG.match(line):
            self._stage(self._rule).logs.append(self._folder / match[1].rstrip(","))
        elif match := _ENDED.match(line):
            self._end(match[1])

    def _plan(self, table: list[str]) -> None:
        if not self._stages:
            totals: Counter[str] = Counter()
            for rule, count in job_counts(table):
                totals[STAGES.get(rule, REST)] += count
            self._stages = {name: _Stage(count) for name, count in totals.items()}

    def _stage(self, rule: str) -> _Stage:
        return self._stages.setdefault(STAGES.get(rule, REST), _Stage(1))

    def _end(self, rule: str) -> None:
        if rule == "all":
            return
        stage = self._stage(rule)
        stage.done += 1
        if stage.done == stage.total:
            seconds = time.monotonic() - (stage.began or time.monotonic())
            name = STAGES.get(rule, REST)
            words = _last_line(stage.logs).removeprefix(f"{name}: ")
            self._print(f"{name}: done, {_clock(seconds)}{f' ({words})' if words else ''}")

    def _watch(self) -> None:
        while not self._stop.wait(_PAUSE):
            for name, stage in list(self._stages.items()):
                if stage.began is None or stage.done >= stage.total:
                    continue
                words = _last_line(stage.logs).removeprefix(f"{name}: ")
                part = f"{stage.done} of {stage.total} jobs" if stage.total > 1 else ""
                said = ", ".join(word for word in (part, words) if word)
                if said and said != self._said:
                    self._said = said
                    self._print(f"{name}: {said}")

    def _print(self, line: str) -> None:
        print(line, file=self._out, flush=True)


def _last_line(logs: list[Path]) -> str:
    """Return the last line with a rate of the newest log that has one."""
    for log in reversed(logs):
        try:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        for line in reversed(lines):
            if "/s, " in line or "ETA" in line:
                return line.strip()
    return ""


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{seconds:.1f} s"
