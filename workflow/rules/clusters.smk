# Clustering: one job is one cell, features x reducer x method x K, with all its seeds.

from clusterprobe.config import cells


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
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: cells.fitting_cell(PLAN.runs[w.run]),
        code=digest("fit_kmeans.py"),
    script:
        "../scripts/fit_kmeans.py"
