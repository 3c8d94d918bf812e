"""How well labels can be read from features: one probe, all its seeds."""

from pathlib import Path

from clusterprobe.evaluate.probes import probe_cell
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    write_table(Path(snakemake.output[0]), results_table(probe_cell(snakemake.params.cell)))
