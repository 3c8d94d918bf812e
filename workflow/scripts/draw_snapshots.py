"""Maps of the same images over the epochs of trainings, as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.snapshot_maps import snapshot_maps_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    output = snakemake.output
    figure = draw_figure("snapshots", snapshot_maps_frame(snakemake.params.trainings))
    save_figure(figure, Path(output.pdf), Path(output.png))
