"""What a billion images would cost, from rates that are measured here within a minute.

python -m benchmarks.plan [--images 1000000000] [--dims 2048] [--branches 1000] prints a table.
"""

from __future__ import annotations

import argparse
from typing import NamedTuple

from benchmarks.questions.growth import processor
from benchmarks.synthetic import Features
from clusterprobe.cluster.kmeans import KMeansModel, assign
from clusterprobe.features.pca import fit_pca
from clusterprobe.store.rows import ArrayRows

SHARD_BYTES = 2**29
SAMPLE_ROWS_PER_CLUSTER = 10_000
PASSES = 10
_HOUR = 3600.0
_ROWS = 8192


class Job(NamedTuple):
    """One kind of job: how many there are, what each reads in GB, and how many hours it takes one core."""

    what: str
    jobs: int
    reads_gb: float
    core_hours: float


class Rates(NamedTuple):
    """Operations a second of one core: 2 N K D for assignments, N D^2 for components."""

    assignment: float
    components: float


def rates(dims: int, branches: int) -> Rates:
    """Measure both, in seconds of processors; of components without what does not depend on the rows."""
    rows = ArrayRows(Features(2 * _ROWS, dims).array()[0], "synthetic")
    half = ArrayRows(rows.values[:_ROWS], "synthetic")
    centres = rows.values[:: max(2 * _ROWS // branches, 1)][:branches]
    model = KMeansModel(centres, 0.0, 0, "synthetic", spherical=False)
    assignment = processor(lambda: assign(half, model))
    components = processor(lambda: fit_pca(rows)) - processor(lambda: fit_pca(half))
    return Rates(2.0 * _ROWS * dims * len(centres) / assignment, float(_ROWS) * dims**2 / components)


def plan(images: int, dims: int, branches: int, found: Rates) -> list[Job]:
    """Return the jobs of hierarchical k-means with branches^2 leaves on features float16 [images, dims]."""
    shards = -(-images * dims * 2 // SHARD_BYTES)
    stored = images * dims * 2 / 1e9
    sample = min(SAMPLE_ROWS_PER_CLUSTER * branches, images)

    def assigning(rows: float) -> float:
        return 2.0 * rows * branches * dims / found.assignment / _HOUR

    upper = PASSES * assigning(sample)
    lower = PASSES * assigning(images / branches)
    products = images / shards * dims**2 / found.components / _HOUR
    return [
        Job("sums of products of a shard, for components", shards, stored / shards, products),
        Job(f"upper level: {branches} centres on a sample", 1, sample * dims * 2 / 1e9, upper),
        Job("assignment of a shard to the upper level", shards, stored / shards, assigning(images / shards)),
        Job(f"lower level: {branches} centres below each", branches, stored / branches, lower),
    ]


def table(jobs: list[Job]) -> str:
    """Return the plan as Markdown."""
    lines = ["| jobs | of what | each reads, GB | core hours each | core hours |", "|---|---|---|---|---|"]
    lines += [
        f"| {job.jobs:,} | {job.what} | {job.reads_gb:.2g} | {job.core_hours:.2g} | "
        f"{job.jobs * job.core_hours:,.0f} |"
        for job in jobs
    ]
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plan", description=__doc__)
    parser.add_argument("--images", type=int, default=10**9)
    parser.add_argument("--dims", type=int, default=2048)
    parser.add_argument("--branches", type=int, default=1000)
    asked = parser.parse_args()
    found = rates(asked.dims, asked.branches)
    print(f"one core: {found.assignment / 1e9:.3g} GFLOP/s of assignment, "
          f"{found.components / 1e9:.3g} of components\n")  # fmt: skip
    print(table(plan(asked.images, asked.dims, asked.branches, found)))


if __name__ == "__main__":
    main()
