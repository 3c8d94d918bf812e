"""The filters of the first convolution of a network as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.filters import filters_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    output = snakemake.output
    figure = draw_figure("first-filters", filters_frame(snakemake.params.shown))
    save_figure(figure, Path(output.pdf), Path(output.png))
