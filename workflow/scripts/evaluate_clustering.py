"""All metrics of one run."""

from pathlib import Path

from clusterprobe.evaluate.runs import evaluate_run
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    cell = snakemake.params.cell | {"label_maps": snakemake.params.label_maps}
    rows = evaluate_run(cell, Path(snakemake.input.model), Path(snakemake.input.assignments))
    write_table(Path(snakemake.output[0]), results_table(rows))
