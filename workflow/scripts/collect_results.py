"""All rows of an experiment in one table."""

from pathlib import Path

from clusterprobe.evaluate.collection import collect
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table, write_table

with job(snakemake):
    parts = [read_table(Path(path)) for path in snakemake.input]
    write_table(
        Path(snakemake.output[0]), collect(parts, snakemake.params.experiment, snakemake.params.names)
    )
