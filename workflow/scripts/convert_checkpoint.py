"""Convert a checkpoint to a canonical encoder."""

from pathlib import Path

from clusterprobe.encoders.canonical import save_encoder
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = snakemake.params.definition
    encoder = convert_checkpoint(
        Path(snakemake.input[0]),
        definition["architecture"]["name"],
        definition["architecture"]["options"],
        Preprocessing.from_dict(definition["preprocessing"]),
        prefix=definition["prefix"],
        ignore=definition["ignore"],
        source={"url": definition["url"]},
        licence=definition["licence"],
        seen=definition["seen"],
    )
    save_encoder(Path(snakemake.output.record).parent, encoder)
