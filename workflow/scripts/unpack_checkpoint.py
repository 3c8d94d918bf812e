"""Write the arrays of a foreign checkpoint, read in an environment of its own."""

from pathlib import Path

from clusterprobe.encoders.published import unpack_foreign
from clusterprobe.store.jobs import job

with job(snakemake):
    unpack_foreign(snakemake.params.layout, Path(snakemake.input[0]), Path(snakemake.output[0]))
