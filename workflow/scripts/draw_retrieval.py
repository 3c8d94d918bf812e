"""Some images with the train images that are nearest to them, as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.retrieval_examples import retrieval_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    output = snakemake.output
    figure = draw_figure("retrieval", retrieval_frame(snakemake.params.shown))
    save_figure(figure, Path(output.pdf), Path(output.png))
