"""Train one encoder, going on where a killed job left off."""

import os
import sys
from pathlib import Path

from clusterprobe.runs.training import Ingredients, run_training
from clusterprobe.store.jobs import job
from clusterprobe.train.interrupt import TrainingInterrupted

with job(snakemake):
    given = snakemake.input
    made_from = Ingredients(
        Path(given.manifest),
        Path(given.location),
        Path(given.facts),
        Path(given.start[0]).parent if given.get("start") else None,
        Path(given.neighbours) if given.get("neighbours") else None,
    )
    try:
        run_training(
            snakemake.params.definition,
            made_from,
            Path(snakemake.output.record).parent,
            Path(snakemake.params.state),
            code=snakemake.params.code,
            workers=snakemake.resources.workers,
            device=snakemake.resources.device,
            # Only a scheduler enforces the runtime.
            deadline_seconds=60 * snakemake.resources.runtime if "SLURM_JOB_ID" in os.environ else None,
        )
    except TrainingInterrupted as interruption:
        print(interruption, file=sys.stderr)
        sys.exit(interruption.exit_code)
