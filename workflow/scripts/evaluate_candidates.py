"""All metrics of every number of clusters that was tried."""

from pathlib import Path

from clusterprobe.evaluate.runs import evaluate_run
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    for entry, label_maps in zip(snakemake.params.candidates, snakemake.params.label_maps, strict=True):
        cell = entry["cell"] | {"label_maps": label_maps}
        rows = evaluate_run(cell, Path(entry["model"]), Path(entry["assignments"]))
        write_table(Path(entry["results"]), results_table(rows))
