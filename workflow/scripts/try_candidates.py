"""Fit and judge every number of clusters that there is a choice of."""

from clusterprobe.evaluate.candidates import try_candidates
from clusterprobe.store.jobs import job

with job(snakemake):
    params, resources = snakemake.params, snakemake.resources
    memory_bytes = resources.mem_mb * 2**20 // 2
    try_candidates(params.candidates, params.fitting_code, memory_bytes, resources.device)
