"""Labels by optimal transport at the size of ImageNet: seconds per pass and peak memory, read in blocks.

python benchmarks/sinkhorn.py [--rows 1281167] [--clusters 3000] [--passes 2]

Logits are made from features of width 64 in blocks whenever they are read, as heads make them, so that N x K
never lies in memory. A second, smaller problem (100,000 x 1,000) is solved, and its labels are compared with
those of a solution in float64 that shares no code. It prints one line of JSON (id: sinkhorn).
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.sinkhorn import Blocks, Float32, Float64, assign, log_masses, scale

WIDTH, POWER, BLOCK = 64, 25.0, 4096
SMALL_ROWS, SMALL_CLUSTERS = 100_000, 1_000


def logits(rows: int, clusters: int) -> Blocks:
    """Return blocks of logits float32 [<= 4096, clusters], the same in every pass."""
    random = np.random.default_rng(0)
    features = random.standard_normal((rows, WIDTH), dtype=np.float32)
    weights = random.standard_normal((WIDTH, clusters), dtype=np.float32) / np.float32(np.sqrt(WIDTH))

    def blocks() -> Iterator[Float32]:
        for first in range(0, rows, BLOCK):
            yield features[first : first + BLOCK] @ weights

    return blocks


def seconds_per_pass(blocks: Blocks, clusters: int, passes: int) -> dict[str, float]:
    """Return the seconds of one pass over the logits: with making them, and of making them alone."""
    start = time.perf_counter()
    for _ in blocks():
        pass
    making = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(passes):
        log_masses(blocks, POWER, np.zeros(clusters))
    return {"pass_s": (time.perf_counter() - start) / passes, "of_which_logits_s": making}


def reference_labels(blocks: Blocks, rows: int, clusters: int, iterations: int) -> npt.NDArray[np.int64]:
    """Return the labels after as many passes in float64, textbook Sinkhorn on logarithms."""
    log_scaling: Float64 = np.zeros(clusters)
    for _ in range(iterations - 1):
        masses = np.zeros(clusters)
        for block in blocks():
            scores = POWER * block.astype(np.float64) + log_scaling
            scores -= scores.max(axis=1, keepdims=True)
            plan = np.exp(scores)
            masses += (plan / plan.sum(axis=1, keepdims=True)).sum(axis=0) / rows
        log_scaling -= np.log(clusters * masses)
    return np.concatenate(
        [(POWER * block.astype(np.float64) + log_scaling).argmax(axis=1) for block in blocks()]
    )


def small_problem() -> dict[str, float]:
    """Return iterations and seconds of a whole solution, and how many labels differ from the reference."""
    blocks = logits(SMALL_ROWS, SMALL_CLUSTERS)
    start = time.perf_counter()
    found = scale(blocks, SMALL_CLUSTERS, power=POWER)
    labels = assign(blocks, POWER, found.log_scaling)
    seconds = time.perf_counter() - start
    reference = reference_labels(blocks, SMALL_ROWS, SMALL_CLUSTERS, found.iterations)
    return {
        "solved_iterations": found.iterations,
        "solved_deviation": found.deviation,
        "solved_s": seconds,
        "labels_that_differ": int((labels != reference).sum()),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_281_167)
    parser.add_argument("--clusters", type=int, default=3_000)
    parser.add_argument("--passes", type=int, default=2)
    asked = parser.parse_args()
    measured = seconds_per_pass(logits(asked.rows, asked.clusters), asked.clusters, asked.passes)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # KiB on Linux
    line = {"id": "sinkhorn", "rows": asked.rows, "clusters": asked.clusters, **measured, "peak_gb": peak}
    print(json.dumps(line | small_problem()))


if __name__ == "__main__":
    main()
