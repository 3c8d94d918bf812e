"""Some clusters with images in them, as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.cluster_examples import cluster_examples_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    shown, output = snakemake.params.shown, snakemake.output
    figure = draw_figure(snakemake.wildcards.figure, cluster_examples_frame(shown, shown["choice"]))
    save_figure(figure, Path(output.pdf), Path(output.png))
