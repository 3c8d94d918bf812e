"""Some images with their mined neighbours, as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.neighbour_examples import neighbours_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    output = snakemake.output
    figure = draw_figure("neighbours", neighbours_frame(snakemake.params.shown))
    save_figure(figure, Path(output.pdf), Path(output.png))
