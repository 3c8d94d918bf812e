# Encoder x images -> shards; principal components and neighbours over shards.

from dataclasses import asdict


def split_of(wildcards):
    return PLAN.datasets[wildcards.dataset], getattr(wildcards, "split", "train")


def extraction_input(wildcards):
    dataset, split = split_of(wildcards)
    record, weights = paths.encoder_files(PLAN.features[wildcards.features].encoder.id)
    return {
        "record": record,
        "weights": weights,
        "manifest": paths.manifest(dataset, split),
        "location": ancient(paths.location(dataset, split)),
    }


def extracted_views(wildcards):
    """How many views of each image, by which augmentation, from which seed; none of images as they are."""
    views = PLAN.features[wildcards.features].views
    return asdict(views) if views else None


def seen_features(wildcards):
    """Where the features of a set that grows are kept from one extraction to the next."""
    if not PLAN.datasets[wildcards.dataset].growing:
        return None
    return "data/features/{features}/{dataset}/{split}.seen".format(**wildcards)


def feature_shards(wildcards):
    dataset, split = split_of(wildcards)
    return paths.shards(PLAN.features[wildcards.features], dataset, split)


def mined(wildcards):
    return PLAN.neighbours[f"{wildcards.neighbours}/{wildcards.dataset}"]


rule extract_features:
    """One shard of features: a contiguous range of the rows of a manifest, in its order; of views or crops of them."""
    input:
        unpack(extraction_input),
    output:
        shard="data/features/{features}/{dataset}/{split}/{shard}-of-{shards}.npy",
        record="data/features/{features}/{dataset}/{split}/{shard}-of-{shards}.json",
    log:
        "data/logs/extract_features/{features}/{dataset}/{split}/{shard}-of-{shards}.log",
    benchmark:
        "data/benchmarks/extract_features/{features}/{dataset}/{split}/{shard}-of-{shards}.jsonl"
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
        output=lambda w: PLAN.features[w.features].output,
        mode=lambda w: PLAN.features[w.features].mode,
        batch_size=lambda w: PLAN.features[w.features].batch_size,
        cut=lambda w: PLAN.features[w.features].cut(w.split),
        views=extracted_views,
        seen=seen_features,
        code=digest("extract_features.py"),
    script:
        "../scripts/extract_features.py"


rule fit_pca:
    """All principal components of the train split, in one exact streaming pass."""
    input:
        feature_shards,
    output:
        "data/pca/{features}/{dataset}.npz",
    log:
        "data/logs/fit_pca/{features}/{dataset}.log",
    benchmark:
        "data/benchmarks/fit_pca/{features}/{dataset}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=ARRAY_GPUS,
        device=COMPUTE.device,
    params:
        code=digest("fit_pca.py"),
    script:
        "../scripts/fit_pca.py"


rule mine_neighbours:
    """The nearest neighbours of every train image by inner product of normalised features."""
    input:
        shards=lambda w: paths.shards(mined(w).features, mined(w).dataset, "train"),
        labels=lambda w: paths.manifest(mined(w).dataset, "train") if mined(w).oracle else [],
    output:
        "data/neighbours/{neighbours}/{dataset}/train.npz",
    log:
        "data/logs/mine_neighbours/{neighbours}/{dataset}.log",
    benchmark:
        "data/benchmarks/mine_neighbours/{neighbours}/{dataset}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=ARRAY_GPUS,
        device=COMPUTE.device,
    params:
        k=lambda w: mined(w).k,
        oracle=lambda w: mined(w).oracle,
        approximate=lambda w: mined(w).approximate,
        code=lambda w: digest(
            "mine_neighbours.py",
            *(["clusterprobe.cluster.approximate_neighbours"] if mined(w).approximate else []),
        ),
    script:
        "../scripts/mine_neighbours.py"
