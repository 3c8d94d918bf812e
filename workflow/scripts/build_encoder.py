"""Build an encoder that needs no training."""

from pathlib import Path

from clusterprobe.encoders.canonical import save_encoder, untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = snakemake.params.definition
    preprocessing = Preprocessing.from_dict(definition["preprocessing"])
    pixels = {"size": preprocessing.size, "channels": preprocessing.channels}
    architecture = definition.get("architecture") or {"name": "pixels", "options": pixels}
    encoder = untrained_encoder(
        architecture["name"], architecture["options"], definition["seed"] or 0, preprocessing
    )
    save_encoder(Path(snakemake.output.record).parent, encoder)
