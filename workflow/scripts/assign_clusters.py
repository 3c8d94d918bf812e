"""The clusters that trained heads give to every image of every split."""

from pathlib import Path

from clusterprobe.runs.assignments import assignments_table
from clusterprobe.runs.heads import assign_cell, head_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import write_table

with job(snakemake):
    resources = snakemake.resources
    found = list(
        assign_cell(
            snakemake.params.cell,
            batch_size=resources.batch_size,
            workers=resources.workers,
            device=resources.device,
            resize=resources.resize,
            compiled=bool(resources.compiled),
        )
    )
    parts = [part for entry in found for part in entry.splits]
    write_table(Path(snakemake.output.assignments), assignments_table(parts))
    save_arrays(Path(snakemake.output.model), head_arrays(found))
