"""Fit k-means for every seed of a cell and assign every split."""

import sys
from pathlib import Path

from clusterprobe.runs.kmeans import write_cell
from clusterprobe.store.jobs import job

with job(snakemake):
    params, resources = snakemake.params, snakemake.resources
    exit_code = write_cell(
        params.cell,
        params.code,
        Path(snakemake.output.model),
        Path(snakemake.output.assignments),
        memory_bytes=resources.mem_mb * 2**20 // 2,
        device=resources.device,
        gpus=resources.gpu,
    )
    if exit_code:
        sys.exit(exit_code)
