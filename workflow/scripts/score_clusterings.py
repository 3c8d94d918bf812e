"""The label-free criteria of one run, all its seeds."""

from pathlib import Path

from clusterprobe.evaluate.scoring import score_cell
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    given = snakemake.input
    rows = score_cell(snakemake.params.cell, Path(given.model), Path(given.assignments))
    write_table(Path(snakemake.output[0]), results_table(rows))
