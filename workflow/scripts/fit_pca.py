"""All principal components of a train split."""

from pathlib import Path

from clusterprobe.features.pca import fit_pca, save_pca
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.jobs import job

with job(snakemake):
    rows = FeatureMatrix.open([Path(shard) for shard in snakemake.input])
    save_pca(Path(snakemake.output[0]), fit_pca(rows))
