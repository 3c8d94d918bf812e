"""Labels by optimal transport at the size of ImageNet: memory and seconds of a pass that reads in blocks.

Logits are made from features of width 64 in blocks whenever they are read, as heads make them, so that N x K
never lies in memory. A second, smaller problem is solved, and its labels are compared with those of a
solution in float64 that shares no code.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Outcome, Question, Size, peak_rss_mb, timed
from clusterprobe.cluster.sinkhorn import Blocks, Float32, Float64, assign, log_masses, scale

QUESTION = Question(
    "sinkhorn",
    "labels by optimal transport, 1,281,167 x 3,000, in blocks, within 2 GB; 100,000 x 1,000 solved",
    "2 GB over our peak memory",
    1,
    quick="labels by optimal transport, 100,000 x 1,000, in blocks, within 2 GB; 20,000 x 200 solved",
)
_LIMIT_MB = 2000.0
_WIDTH, _POWER, _BLOCK = 64, 25.0, 4096


def measure(size: Size) -> Outcome:
    rows, clusters = size.choose((100_000, 1_000), (1_281_167, 3_000))
    blocks = logits(rows, clusters)
    making, _ = timed(lambda: sum(len(block) for block in blocks()))
    seconds, _ = timed(lambda: log_masses(blocks, _POWER, np.zeros(clusters)))
    peak = peak_rss_mb()
    solved = solve(*size.choose((20_000, 200), (100_000, 1_000)))
    return Outcome(
        _LIMIT_MB / peak,
        {
            "one pass, seconds": seconds,
            "of which making the logits, seconds": making,
            "peak memory, MB": peak,
            **solved,
        },
        holds=solved["labels that differ from a float64 solution"] == 0,
    )


def logits(rows: int, clusters: int) -> Blocks:
    """Return blocks of logits float32 [<= 4096, clusters], the same in every pass."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, _WIDTH), dtype=np.float32)
    weights = random.standard_normal((_WIDTH, clusters), dtype=np.float32) / np.float32(np.sqrt(_WIDTH))

    def blocks() -> Iterator[Float32]:
        for first in range(0, rows, _BLOCK):
            yield features[first : first + _BLOCK] @ weights

    return blocks


def solve(rows: int, clusters: int) -> dict[str, Any]:
    """Return iterations and seconds of a whole solution, and how many labels differ from the reference."""
    blocks = logits(rows, clusters)
    seconds, found = timed(lambda: scale(blocks, clusters, power=_POWER))
    labels = assign(blocks, _POWER, found.log_scaling)
    reference = reference_labels(blocks, rows, clusters, found.iterations)
    return {
        "iterations to a whole solution": found.iterations,
        "its deviation": found.deviation,
        "its seconds": seconds,
        "labels that differ from a float64 solution": int((labels != reference).sum()),
    }


def reference_labels(blocks: Blocks, rows: int, clusters: int, iterations: int) -> npt.NDArray[np.int64]:
    """Return the labels [N] after as many passes in float64, textbook Sinkhorn on logarithms."""
    log_scaling: Float64 = np.zeros(clusters)
    for _ in range(iterations - 1):
        masses = np.zeros(clusters)
        for block in blocks():
            scores = _POWER * block.astype(np.float64) + log_scaling
            scores -= scores.max(axis=1, keepdims=True)
            plan = np.exp(scores)
            masses += (plan / plan.sum(axis=1, keepdims=True)).sum(axis=0) / rows
        log_scaling -= np.log(clusters * masses)
    return np.concatenate(
        [(_POWER * block.astype(np.float64) + log_scaling).argmax(axis=1) for block in blocks()]
    )
