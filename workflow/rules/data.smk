# Data sets to manifests.

from clusterprobe.config.label_maps import located


def index_input(wildcards):
    dataset = PLAN.datasets[wildcards.dataset]
    return [f"data/rendered/{dataset.id}.parquet"] if dataset.definition.kind == "shifted" else []


def shifted_source(wildcards):
    shifted = PLAN.datasets[wildcards.dataset].definition
    source = PLAN.dataset(shifted.source)
    return {
        "manifest": paths.manifest(source, shifted.split),
        "location": ancient(paths.location(source, shifted.split)),
    }


rule render_shifted:
    """A transfer set out of the images of another set: rotated, seen from aside, cluttered, inverted."""
    input:
        unpack(shifted_source),
    output:
        "data/rendered/{dataset}.parquet",
    log:
        "data/logs/render_shifted/{dataset}.log",
    benchmark:
        "data/benchmarks/render_shifted/{dataset}.jsonl"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        definition=lambda w: indexing_definition(PLAN.datasets[w.dataset].definition),
        label_map=told(lambda w: located(PLAN.datasets[w.dataset].definition.label_map)),
        code=digest("render_shifted.py"),
    script:
        "../scripts/render_shifted.py"


rule index_dataset:
    """One split of a data set to a manifest: a stable id, location, label and hash of every image."""
    input:
        index_input,
    output:
        manifest="data/manifests/{dataset}/{split}.parquet",
        facts="data/manifests/{dataset}/{split}.json",
        location="data/manifests/{dataset}/{split}.source.json",
    log:
        "data/logs/index_dataset/{dataset}/{split}.log",
    benchmark:
        "data/benchmarks/index_dataset/{dataset}/{split}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        definition=lambda w: indexing_definition(PLAN.datasets[w.dataset].definition),
        stamp=lambda w: location_stamp(PLAN.datasets[w.dataset].definition),
        code=digest("index_dataset.py"),
    script:
        "../scripts/index_dataset.py"
