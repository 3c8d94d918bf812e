# Encoders that are not trained here: built, or fetched and converted.

from clusterprobe.config.encoder_facts import FACTS
from clusterprobe.config.encoders import READ_ELSEWHERE, encoder_identity
from clusterprobe.config.stamps import checkpoint_stamp


def encoders_of_kind(*kinds):
    ids = [encoder.id for encoder in PLAN.encoders.values() if encoder.definition.kind in kinds]
    return "|".join(ids) or "none"


def encoder_definition(wildcards):
    encoder = PLAN.encoders[wildcards.encoder]
    return encoder_identity(encoder.definition) | {"seed": encoder.seed}


def about_encoder(wildcards):
    """What people read of an encoder: its record holds it, but a correction makes no encoder anew."""
    return PLAN.encoders[wildcards.encoder].definition.model_dump(mode="json", include=set(FACTS))


def files_of_layout(*layouts):
    files = [encoder for encoder in PLAN.encoders.values() if encoder.definition.kind == "file"]
    return "|".join(encoder.id for encoder in files if encoder.definition.layout in layouts) or "none"


def checkpoint_files(wildcards):
    """The checkpoint, and the arrays that were unpacked from it if another library wrote it."""
    files = [f"data/checkpoints/{wildcards.encoder}.bin"]
    foreign = PLAN.encoders[wildcards.encoder].definition.layout in READ_ELSEWHERE
    return files + [f"data/checkpoints/{wildcards.encoder}.npz"] * foreign


def checkpoint_origin(wildcards):
    definition = PLAN.encoders[wildcards.encoder].definition
    keys = {"url", "path", "page", "file", "parts", "sha256", "hash_prefix", "pin"}
    return definition.model_dump(mode="json", include=keys) | {"origin": definition.origin}


def checkpoint_note(wildcards):
    """Where the stamp of a fetched checkpoint is noted; no declared output, as only a local one has a stamp."""
    return f"data/checkpoints/{wildcards.encoder}.stamp"


def checkpoint_content(wildcards):
    definition = PLAN.encoders[wildcards.encoder].definition
    keys = {"architecture", "layout", "prefix", "ignore", "resample", "feature"}
    return definition.model_dump(mode="json", include=keys) | {
        "origin": definition.origin,
        "preprocessing": definition.preprocessing.resolved(),
    }


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
        definition=checkpoint_origin,
        stamp=lambda w: checkpoint_stamp(PLAN.encoders[w.encoder].definition, Path(checkpoint_note(w))),
        note=checkpoint_note,
        code=digest("fetch_checkpoint.py"),
    script:
        "../scripts/fetch_checkpoint.py"


rule unpack_checkpoint:
    """The arrays of a TensorFlow or Haiku checkpoint, read in an environment of its own: no code in it runs here."""
    input:
        "data/checkpoints/{encoder}.bin",
    output:
        "data/checkpoints/{encoder}.npz",
    log:
        "data/logs/unpack_checkpoint/{encoder}.log",
    benchmark:
        "data/benchmarks/unpack_checkpoint/{encoder}.jsonl"
    wildcard_constraints:
        encoder=files_of_layout(*READ_ELSEWHERE),
    threads: 1
    resources:
        mem_mb=memory,
        runtime=runtime,
    params:
        layout=lambda w: PLAN.encoders[w.encoder].definition.layout,
        code=digest("unpack_checkpoint.py"),
    script:
        "../scripts/unpack_checkpoint.py"


rule convert_checkpoint:
    """A checkpoint to canonical safetensors: all tensors of the body found by name and shape, or an error."""
    input:
        checkpoint_files,
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
        definition=checkpoint_content,
        about=told(about_encoder),
        code=digest("convert_checkpoint.py"),
    script:
        "../scripts/convert_checkpoint.py"
