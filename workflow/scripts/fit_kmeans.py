"""Fit k-means for every seed of a cell and assign every split."""

from pathlib import Path

from clusterprobe.runs.assignments import assignments_table
from clusterprobe.runs.kmeans import fit_cell, model_arrays
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import write_table

with job(snakemake):
    models, parts = {}, []
    memory_bytes = snakemake.resources.mem_mb * 2**20 // 2
    for model, assigned in fit_cell(
        snakemake.params.cell, snakemake.params.code, memory_bytes, snakemake.resources.device
    ):
        models[assigned[0].encoder_seed, assigned[0].seed] = model
        parts += assigned
    write_table(Path(snakemake.output.assignments), assignments_table(parts))
    save_arrays(Path(snakemake.output.model), model_arrays(models))
