"""One shard of features."""

from pathlib import Path

from clusterprobe.features.extract import extract_shard
from clusterprobe.features.views import AugmentedViews
from clusterprobe.store.jobs import job

with job(snakemake):
    views, seen = snakemake.params.views, snakemake.params.seen
    extract_shard(
        Path(snakemake.input.record).parent,
        snakemake.params.output,
        Path(snakemake.input.manifest),
        Path(snakemake.input.location),
        snakemake.wildcards.split,
        int(snakemake.wildcards.shard),
        int(snakemake.wildcards.shards),
        Path(snakemake.output.shard),
        space=snakemake.wildcards.features,
        mode=snakemake.params.mode,
        cut=snakemake.params.cut,
        batch_size=snakemake.params.batch_size or snakemake.resources.batch_size,
        workers=snakemake.resources.workers,
        device=snakemake.resources.device,
        resize=snakemake.resources.resize,
        compiled=bool(snakemake.resources.compiled),
        views=AugmentedViews(**views) if views else None,
        seen=(Path(seen), snakemake.params.code) if seen else None,
    )
