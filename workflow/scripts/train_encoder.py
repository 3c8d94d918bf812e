"""Train one encoder, going on where a killed job left off."""

import sys
from pathlib import Path

from clusterprobe.runs.training import train_in_processes
from clusterprobe.store.jobs import job
from clusterprobe.store.scheduler import seconds_left

with job(snakemake):
    given, resources = snakemake.input, snakemake.resources
    made_from = {name: files if isinstance(files, str) else list(files) for name, files in given.items()}
    if "start" in made_from:
        made_from["start"] = str(Path(given.start[0]).parent)
    exit_code = train_in_processes(
        resources.gpu,
        snakemake.params.definition | snakemake.params.about,
        made_from,
        str(Path(snakemake.output.record).parent),
        snakemake.params.state,
        seconds_left=seconds_left(resources.runtime),
        code=snakemake.params.code,
        workers=resources.workers,
        device=resources.device,
    )
    if exit_code:
        sys.exit(exit_code)
