"""One image of each cluster of a run, first seed, as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.prototypes import Extraction, prototypes_frame
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.store.jobs import job

with job(snakemake):
    resources, output = snakemake.resources, snakemake.output
    extraction = Extraction(resources.batch_size, resources.workers, resources.device)
    frame = prototypes_frame(snakemake.params.shown, extraction)
    save_figure(draw_figure(snakemake.wildcards.figure, frame), Path(output.pdf), Path(output.png))
