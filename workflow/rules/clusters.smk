# Clustering: one job is one cell, features x reducer x method x K, with all its seeds.

from clusterprobe.config import cells
from clusterprobe.config.model import HEAD_METHODS, KMEANS_METHODS


def runs_by(methods):
    """What the ids of all runs of some methods look like: to list them would cost seconds when there are many."""
    return f"({'|'.join(methods)})-[a-z0-9-]+"


def fitting_gpus(wildcards):
    """Lloyd's algorithm takes all GPUs that a job may have, in one process for each."""
    return GPUS if ARRAY_GPUS and cells.shares_rows(PLAN.runs[wildcards.run]) else ARRAY_GPUS


rule fit_kmeans:
    """Centres for every seed, and the cluster of every image of every split, transfer sets included."""
    input:
        lambda w: cells.fitting_inputs(PLAN.runs[w.run]),
    output:
        model="data/clusterings/{run}/model.npz",
        assignments="data/clusterings/{run}/assignments.parquet",
    log:
        "data/logs/fit_kmeans/{run}.log",
    benchmark:
        "data/benchmarks/fit_kmeans/{run}.jsonl"
    wildcard_constraints:
        run=runs_by(KMEANS_METHODS),
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=fitting_gpus,
        device=COMPUTE.device,
    params:
        cell=lambda w: cells.fitting_cell(PLAN.runs[w.run]),
        code=digest("fit_kmeans.py"),
    script:
        "../scripts/fit_kmeans.py"


rule assign_clusters:
    """The cluster of every image of every split by the heads of trained networks, transfer sets included."""
    input:
        lambda w: cells.assigning_inputs(PLAN.runs[w.run]),
        lambda w: ancient(cells.locations(PLAN.runs[w.run])),
    output:
        model="data/clusterings/{run}/model.npz",
        assignments="data/clusterings/{run}/assignments.parquet",
    log:
        "data/logs/assign_clusters/{run}.log",
    benchmark:
        "data/benchmarks/assign_clusters/{run}.jsonl"
    wildcard_constraints:
        run=runs_by(HEAD_METHODS),
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=min(1, GPUS),
        workers=COMPUTE.workers,
        device=COMPUTE.device,
        resize=COMPUTE.resize,
        compiled=int(COMPUTE.compile),
        batch_size=COMPUTE.batch_size,
    params:
        cell=lambda w: cells.assigning_cell(PLAN.runs[w.run]),
        code=digest("assign_clusters.py"),
    script:
        "../scripts/assign_clusters.py"
