"""How often mined neighbours share the class of their image."""

from pathlib import Path

from clusterprobe.evaluate.metrics import neighbour_purity
from clusterprobe.evaluate.runs import neighbour_rows
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import results_table, write_table

with job(snakemake):
    labels = read_manifest(Path(snakemake.input.manifest)).labels
    mined = load_arrays(Path(snakemake.input.neighbours))
    purity = neighbour_purity(mined["neighbours"], labels, snakemake.params.purity_at)
    recall = float(mined["recall"]) if snakemake.params.approximate else None
    rows = neighbour_rows(snakemake.params.columns, purity, labels, recall)
    write_table(Path(snakemake.output[0]), results_table(rows))
