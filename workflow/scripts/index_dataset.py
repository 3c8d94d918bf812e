"""Index one split of a data set."""

from pathlib import Path

from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.jobs import job

with job(snakemake):
    definition = dict(snakemake.params.definition)
    if definition["kind"] == "shifted":
        definition["splits"] = {"test": snakemake.input[0]}
    split, seen = snakemake.wildcards.split, None
    if definition.pop("growing", False):
        seen = Path(snakemake.output.manifest).with_suffix(".seen.parquet")
    indexed = index_dataset(definition, snakemake.wildcards.dataset, [split], seen)
    write_split(Path(snakemake.output.manifest).parent, indexed, split)
