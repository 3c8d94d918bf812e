"""What is in the clusters of one run, first seed."""

from pathlib import Path

from clusterprobe.evaluate.frames import seed_clusters
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.report.galleries import DISTANCE_CONFIDENCE, HEAD_CONFIDENCE, build_gallery
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json, write_text
from clusterprobe.store.jobs import job

with job(snakemake):
    shown = snakemake.params.shown
    manifest = read_manifest(Path(shown["manifest"]))
    source = open_source(read_json(Path(shown["location"])), shown["split"])
    block = seed_clusters(Path(shown["assignments"]), shown["dataset"], shown["split"])[0]
    is_head = block.top is not None
    page = build_gallery(
        f"{shown['encoder']}: clusters of {shown['dataset']}/{shown['split']}, seed {block.seed}",
        block.cluster,
        None if is_head else block.distance,
        block.confidence,
        manifest.ids,
        manifest.labels,
        manifest.classes,
        lambda index: source.read_verified(manifest.locations[index], manifest.sha256[index]),
        k=int(load_arrays(Path(shown["model"]))[f"clusters/{block.seed}"]),
        confidence_meaning=HEAD_CONFIDENCE if is_head else DISTANCE_CONFIDENCE,
    )
    write_text(Path(snakemake.output[0]), page)
