"""How many clusters: what criteria without labels agree on."""

from pathlib import Path

from clusterprobe.evaluate.choosing import choose
from clusterprobe.store.atomic import write_json
from clusterprobe.store.jobs import job

with job(snakemake):
    write_json(Path(snakemake.output[0]), choose(snakemake.params.candidates))
