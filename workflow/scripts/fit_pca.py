"""All principal components of a train split."""

from importlib import import_module
from pathlib import Path

from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.jobs import job

with job(snakemake):
    rows = FeatureMatrix.open([Path(shard) for shard in snakemake.input])
    if snakemake.resources.device == "cuda":
        # by name: on arrays no torch is loaded, and its code does not count
        pca = import_module("clusterprobe.features.device_pca").fit_pca(rows, "cuda")
    else:
        pca = fit_pca(rows)
    save_pca(Path(snakemake.output[0]), pca)
