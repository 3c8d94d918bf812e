"""Fetch a checkpoint and verify its hash, or record it at first sight."""

from pathlib import Path

from clusterprobe.encoders.fetch import fetch_pinned
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = snakemake.params.definition
    destination = Path(snakemake.output[0])
    fetch_pinned(
        definition["url"],
        definition["sha256"],
        destination,
        lock=destination.with_name("hashes.lock"),
        required=definition["pin"] == "required",
    )
