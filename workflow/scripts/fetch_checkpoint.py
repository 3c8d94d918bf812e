"""Fetch a checkpoint, or take it from where a person put it; verify its hash or record it at first sight."""

from pathlib import Path

from clusterprobe.encoders.obtain import obtain
from clusterprobe.store.atomic import write_text
from clusterprobe.store.jobs import job

with job(snakemake):
    destination = Path(snakemake.output[0])
    obtain(snakemake.params.definition, destination, lock=destination.with_name("hashes.lock"))
    if snakemake.params.stamp:
        write_text(Path(snakemake.params.note), snakemake.params.stamp)
