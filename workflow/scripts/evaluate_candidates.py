"""All metrics of every number of clusters that was tried."""

from pathlib import Path

from clusterprobe.evaluate.runs import evaluate_run
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    for entry in snakemake.params.candidates:
        rows = evaluate_run(entry["cell"], Path(entry["model"]), Path(entry["assignments"]))
        write_table(Path(entry["results"]), results_table(rows))
