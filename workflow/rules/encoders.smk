# Encoders that are not trained here: built, or fetched and converted.


def encoders_of_kind(*kinds):
    ids = [encoder.id for encoder in PLAN.encoders.values() if encoder.definition.kind in kinds]
    return "|".join(ids) or "none"


def encoder_definition(wildcards):
    encoder = PLAN.encoders[wildcards.encoder]
    definition = encoder.definition.model_dump(
        mode="json", exclude={"title", "output", "trained_on", "encoder_seeds", "start", "neighbours"}
    )
    return definition | {"preprocessing": encoder.definition.preprocessing.resolved(), "seed": encoder.seed}


rule build_encoder:
    """An encoder that needs no training: the pixels themselves, or an untrained network."""
    output:
        record="data/encoders/{encoder}/encoder.json",
        weights="data/encoders/{encoder}/weights.safetensors",
    log:
        "data/logs/build_encoder/{encoder}.log",
    benchmark:
        "data/benchmarks/build_encoder/{encoder}.jsonl"
    wildcard_constraints:
        encoder=encoders_of_kind("pixels", "random"),
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        definition=encoder_definition,
        code=digest("build_encoder.py"),
    script:
        "../scripts/build_encoder.py"


rule fetch_checkpoint:
    """A checkpoint file as its authors published it, its hash verified or recorded at first sight."""
    output:
        "data/checkpoints/{encoder}.bin",
    log:
        "data/logs/fetch_checkpoint/{encoder}.log",
    benchmark:
        "data/benchmarks/fetch_checkpoint/{encoder}.jsonl"
    wildcard_constraints:
        encoder=encoders_of_kind("file"),
    threads: 1
    resources:
        mem_mb=500,
        runtime=runtime,
    params:
        definition=encoder_definition,
        code=digest("fetch_checkpoint.py"),
    script:
        "../scripts/fetch_checkpoint.py"


rule convert_checkpoint:
    """A checkpoint to canonical safetensors: all tensors of the body found by name and shape, or an error."""
    input:
        "data/checkpoints/{encoder}.bin",
    output:
        record="data/encoders/{encoder}/encoder.json",
        weights="data/encoders/{encoder}/weights.safetensors",
    log:
        "data/logs/convert_checkpoint/{encoder}.log",
    benchmark:
        "data/benchmarks/convert_checkpoint/{encoder}.jsonl"
    wildcard_constraints:
        encoder=encoders_of_kind("file"),
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        definition=encoder_definition,
        code=digest("convert_checkpoint.py"),
    script:
        "../scripts/convert_checkpoint.py"
