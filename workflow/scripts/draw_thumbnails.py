"""Small copies of all pictures with their fingerprints."""

from pathlib import Path

from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.images.thumbnails import write_thumbnails
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job

with job(snakemake):
    output = Path(snakemake.output[0])
    write_thumbnails(
        output,
        read_manifest(Path(snakemake.input.manifest)),
        open_source(read_json(Path(snakemake.input.location)), snakemake.wildcards.split),
        snakemake.params.side,
        output.with_suffix(".seen.parquet"),
    )
