"""Index one split of a data set."""

from pathlib import Path

from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = dict(snakemake.params.definition)
    if definition["kind"] == "shifted":
        definition["splits"] = {"test": snakemake.input[0]}
    indexed = index_dataset(definition, snakemake.wildcards.dataset, [snakemake.wildcards.split])
    write_split(Path(snakemake.output.manifest).parent, indexed, snakemake.wildcards.split)
