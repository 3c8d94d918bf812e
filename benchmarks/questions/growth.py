"""How the cost of components, of one assignment pass and of k-means grows with rows, dimensions and clusters.

Counted are seconds of all processors together, which others who use the machine disturb less than the clock.
Each axis is varied alone; the exponents are slopes of straight lines through the logarithms. What was
measured is kept in the folder: a run that was stopped goes on when it is given the same `--folder`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.harness import Outcome, Question, Size
from benchmarks.synthetic import Features
from clusterprobe.cluster.kmeans import KMeansModel, assign, fit_kmeans
from clusterprobe.features.pca import fit_pca
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.rows import ArrayRows

QUESTION = Question(
    "growth",
    "growth of cost: rows 25,000 x 1, 2, 4, 8; dimensions 256 to 2048; K 100 to 10,000",
    "the smallest size",
    None,
    quick="growth of cost: rows 10,000 x 1, 2, 4; dimensions 256 to 1024; K 100 to 3,000",
)
_FULL_PASSES = 3
_SHORT = 3.0  # seconds


class Grid(NamedTuple):
    """Rows, dimensions and clusters: the first of each is where the others are varied."""

    rows: tuple[int, ...]
    dims: tuple[int, ...]
    k: tuple[int, ...]


def measure(size: Size) -> Outcome:
    quick = Grid((10_000, 20_000, 40_000), (256, 512, 1024), (100, 300, 1_000, 3_000))
    rows = (25_000, 50_000, 100_000, 200_000)
    standard = Grid(rows, (256, 512, 1024, 2048), (100, 300, 1_000, 3_000, 10_000))
    return grow(size.choose(quick, standard), size.folder)


def grow(grid: Grid, folder: Path) -> Outcome:
    """Measure along each axis and fit the exponents."""
    base = {"rows": grid.rows[0], "dims": grid.dims[0], "k": grid.k[0]}
    curves: dict[str, Any] = {}
    for axis, values in grid._asdict().items():
        measured = [_measured(folder / "growth.json", base | {axis: value}) for value in values]
        works = {name: [each[name] for each in measured] for name in measured[0]}
        if axis == "k":
            del works["components"]
        curves[axis] = {
            "at": list(values),
            "seconds": works,
            "exponents": {name: exponent(values, seconds) for name, seconds in works.items()},
        }
    facts = {f"exponent of {axis}": curve["exponents"] for axis, curve in curves.items()}
    return Outcome(None, facts | {"curves": curves})


def _measured(kept: Path, sizes: dict[str, int]) -> dict[str, float]:
    """Return the seconds at some sizes, from the file if they are there."""
    known = read_json(kept) if kept.exists() else {}
    name = " x ".join(map(str, sizes.values()))
    if name not in known:
        known[name] = processor_seconds(**sizes)
        write_json(kept, known)
    found: dict[str, float] = known[name]
    return found


def processor_seconds(rows: int, dims: int, k: int) -> dict[str, float]:
    """Return the seconds of the processors that each kind of work takes."""
    given = ArrayRows(Features(rows, dims).array()[0], "synthetic")
    centres = given.take(np.sort(np.random.default_rng(0).choice(rows, k, replace=False)))
    model = KMeansModel(centres, 0.0, 0, "synthetic", spherical=False)
    works: dict[str, Callable[[], object]] = {
        "components": lambda: fit_pca(given),
        "assignment": lambda: assign(given, model),
        "k-means": lambda: fit_kmeans(given, k, 0, max_iterations=_FULL_PASSES),
    }
    return {name: processor(work) for name, work in works.items()}


def exponent(values: tuple[int, ...], seconds: list[float]) -> float:
    """Return the slope of log seconds over log values."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def processor(work: Callable[[], object]) -> float:
    """Return the seconds that some work takes, of short work the least of a few times."""
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < _SHORT:
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds)
