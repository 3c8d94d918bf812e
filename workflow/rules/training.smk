# Encoders that are trained here.


def training_input(wildcards):
    dataset = PLAN.encoders[wildcards.encoder].trained_on
    return {"manifest": paths.manifest(dataset, "train"), "location": ancient(paths.location(dataset, "train"))}


def training_code(wildcards):
    objective = PLAN.encoders[wildcards.encoder].definition.objective.name
    return digest("train_encoder.py", f"clusterprobe.objectives.{objective}")


rule train_encoder:
    """A network trained on the train split, without labels; it resumes where a killed job left off."""
    input:
        unpack(training_input),
    output:
        record="data/encoders/{encoder}/encoder.json",
        weights="data/encoders/{encoder}/weights.safetensors",
        heads="data/encoders/{encoder}/heads.safetensors",
        history="data/encoders/{encoder}/training.jsonl",
    log:
        "data/logs/train_encoder/{encoder}.log",
    benchmark:
        "data/benchmarks/train_encoder/{encoder}.jsonl"
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=COMPUTE.gpus,
        workers=COMPUTE.workers,
        device=COMPUTE.device,
    params:
        definition=encoder_definition,
        state=lambda w: f"data/training/{w.encoder}/state",
        code=training_code,
    wildcard_constraints:
        encoder=encoders_of_kind("trained"),
    script:
        "../scripts/train_encoder.py"
