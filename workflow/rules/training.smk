# Encoders that are trained here.


from clusterprobe.config import cells


def training_input(wildcards):
    """What a training reads; of a set that grows no new picture starts it again, nor does a moved one."""
    encoder = PLAN.encoders[wildcards.encoder]
    files, locations = cells.training_inputs(encoder), cells.training_locations(encoder)
    settled = {name: files[name] for name in files if name != "start" and encoder.trained_on.growing}
    return files | {name: ancient(path) for name, path in (settled | locations).items()}


def training_definition(wildcards):
    clusters = PLAN.encoders[wildcards.encoder].clusters
    sizes = {"k": clusters.k, "factor": clusters.factor} if clusters else None
    return encoder_definition(wildcards) | {"clusters": sizes}


def training_code(wildcards):
    objective = PLAN.encoders[wildcards.encoder].definition.objective
    return digest("train_encoder.py", *cells.objective_modules(objective))


rule train_encoder:
    """A network trained on the train split; it resumes where a killed job left off."""
    input:
        unpack(training_input),
    output:
        record="data/encoders/{encoder}/encoder.json",
        weights="data/encoders/{encoder}/weights.safetensors",
        heads="data/encoders/{encoder}/heads.safetensors",
        history="data/encoders/{encoder}/training.jsonl",
        found="data/encoders/{encoder}/found.npz",
    log:
        "data/logs/train_encoder/{encoder}.log",
    benchmark:
        "data/benchmarks/train_encoder/{encoder}.jsonl"
    wildcard_constraints:
        encoder=encoders_of_kind("trained"),
    threads: COMPUTE.threads
    resources:
        mem_mb=memory,
        runtime=runtime,
        gpu=GPUS,
        workers=COMPUTE.workers,
        device=COMPUTE.device,
    params:
        definition=training_definition,
        about=told(about_encoder),
        state=lambda w: f"data/training/{w.encoder}/state",
        code=training_code,
    script:
        "../scripts/train_encoder.py"
