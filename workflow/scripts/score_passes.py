"""Scores after single passes of k-means."""

from pathlib import Path

from clusterprobe.evaluate.passes import passes_rows
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    rows = list(passes_rows(snakemake.params.cell, Path(snakemake.input.model)))
    write_table(Path(snakemake.output[0]), results_table(rows))
