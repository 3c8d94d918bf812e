"""Render a transfer set out of the images of another set."""

from pathlib import Path

from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.shifted import render_shifted, write_shifted
from clusterprobe.images.sources import open_source
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = snakemake.params.definition | {"label_map": snakemake.params.label_map}
    source = open_source(read_json(Path(snakemake.input.location)), definition["split"])
    manifest = read_manifest(Path(snakemake.input.manifest))
    write_shifted(Path(snakemake.output[0]), render_shifted(manifest, source, definition))
