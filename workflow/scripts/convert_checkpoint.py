"""Convert a checkpoint to a canonical encoder."""

from pathlib import Path

from clusterprobe.encoders.canonical import save_encoder
from clusterprobe.encoders.published import convert_published
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = snakemake.params.definition | snakemake.params.about
    encoder = convert_published(definition, *map(Path, snakemake.input))
    save_encoder(Path(snakemake.output.record).parent, encoder)
