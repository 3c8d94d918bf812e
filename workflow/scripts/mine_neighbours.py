"""The nearest neighbours of every train image."""

from importlib import import_module
from pathlib import Path

from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.images.manifest import read_manifest
from clusterprobe.runs.oracle import true_neighbours
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.jobs import job

with job(snakemake):
    rows = FeatureMatrix.open([Path(shard) for shard in snakemake.input.shards])
    if snakemake.params.approximate:
        # by name, so that its code counts only where it is asked for
        near = import_module("clusterprobe.cluster.approximate_neighbours")
        neighbours, recall = near.mine_approximate_neighbours(rows, snakemake.params.k)
    elif snakemake.resources.device == "cuda":
        near = import_module("clusterprobe.cluster.device_neighbours")
        neighbours, recall = near.mine_neighbours(rows, snakemake.params.k, "cuda"), 1.0
    else:
        neighbours, recall = mine_neighbours(rows, snakemake.params.k), 1.0
    if snakemake.params.oracle:
        neighbours = true_neighbours(neighbours, read_manifest(Path(snakemake.input.labels)).labels)
    found = {"neighbours": neighbours, "recall": recall, "space": rows.space, "content": rows.content}
    save_arrays(Path(snakemake.output[0]), found)
