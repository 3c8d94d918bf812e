# Clusters against labels, probes and criteria beside them, and all results in one table.

from clusterprobe.config import pass_cells, probe_cells


rule evaluate_clustering:
    """All metrics of one run, for every seed and split."""
    input:
        unpack(lambda w: cells.evaluation_inputs(PLAN.runs[w.run])),
    output:
        "data/results/{run}.parquet",
    log:
        "data/logs/evaluate_clustering/{run}.log",
    benchmark:
        "data/benchmarks/evaluate_clustering/{run}.jsonl"
    wildcard_constraints:
        run=runs_by([*KMEANS_METHODS, *HEAD_METHODS]),
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: cells.evaluation_cell(PLAN.runs[w.run]),
        label_maps=told(lambda w: cells.label_maps(PLAN.runs[w.run])),
        code=digest("evaluate_clustering.py"),
    script:
        "../scripts/evaluate_clustering.py"


rule evaluate_neighbours:
    """How often the mined neighbours of an image have its class."""
    input:
        neighbours="data/neighbours/{neighbours}/{dataset}/train.npz",
        manifest=lambda w: paths.manifest(mined(w).dataset, "train"),
    output:
        "data/results/{neighbours}.{dataset}.parquet",
    log:
        "data/logs/evaluate_neighbours/{neighbours}.{dataset}.log",
    benchmark:
        "data/benchmarks/evaluate_neighbours/{neighbours}.{dataset}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        columns=lambda w: cells.neighbour_columns(mined(w)),
        purity_at=PLAN.config.neighbours.purity_at,
        approximate=lambda w: mined(w).approximate,
        code=digest("evaluate_neighbours.py"),
    script:
        "../scripts/evaluate_neighbours.py"


rule probe_features:
    """How well labels can be read from features: one probe, for every seed."""
    input:
        lambda w: probe_cells.probing_inputs(PLAN.probes[w.probe]),
    output:
        "data/results/{probe}.parquet",
    log:
        "data/logs/probe_features/{probe}.log",
    benchmark:
        "data/benchmarks/probe_features/{probe}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: probe_cells.probing_cell(PLAN.probes[w.probe]),
        code=digest("probe_features.py"),
    script:
        "../scripts/probe_features.py"


rule score_clusterings:
    """The label-free criteria of one run, for every seed; no manifest is among the input."""
    input:
        unpack(lambda w: probe_cells.scoring_inputs(PLAN.criteria[w.run], PLAN.config)),
    output:
        "data/results/criteria/{run}.parquet",
    log:
        "data/logs/score_clusterings/{run}.log",
    benchmark:
        "data/benchmarks/score_clusterings/{run}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: probe_cells.scoring_cell(PLAN.criteria[w.run], PLAN.config),
        code=digest("score_clusterings.py"),
    script:
        "../scripts/score_clusterings.py"


rule score_passes:
    """How good the clusters of one run are after some passes of its fit, from the centres that it kept."""
    input:
        unpack(lambda w: pass_cells.passes_inputs(PLAN.runs[w.run])),
    output:
        "data/results/passes/{run}.parquet",
    log:
        "data/logs/score_passes/{run}.log",
    benchmark:
        "data/benchmarks/score_passes/{run}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        cell=lambda w: pass_cells.passes_cell(PLAN.runs[w.run]),
        code=digest("score_passes.py"),
    script:
        "../scripts/score_passes.py"


rule collect_results:
    """All rows of the experiment, one value each, with the readable names of the configuration."""
    input:
        runs=[paths.run_results(run) for run in PLAN.runs.values()],
        neighbours=[
            paths.neighbour_results(mined)
            for mined in PLAN.purity.values()
            if mined.dataset.definition.labelled
        ],
        probes=[paths.probe_results(probe) for probe in PLAN.probes.values()],
        criteria=[paths.criteria(scored.run) for scored in PLAN.criteria.values()],
        passes=[paths.passes_results(run) for run in pass_cells.traced_runs(PLAN)],
    output:
        f"reports/{EXPERIMENT}/results.parquet",
    log:
        f"data/logs/collect_results/{EXPERIMENT}.log",
    benchmark:
        f"data/benchmarks/collect_results/{EXPERIMENT}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        experiment=EXPERIMENT,
        names=cells.readable_names(PLAN),
        code=digest("collect_results.py"),
    script:
        "../scripts/collect_results.py"
