"""One figure as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.frames import confusion_frame, sizes_frame
from clusterprobe.report.figures import FIGURES, draw_figure, save_figure
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

with job(snakemake):
    name, runs = snakemake.wildcards.figure, snakemake.params.runs
    readers = {
        "results": lambda: read_table(Path(snakemake.input.results)).to_pandas(),
        "assignments": lambda: sizes_frame(runs),
        "counts": lambda: confusion_frame(runs[0]),
    }
    data = readers[FIGURES[name].data if name in FIGURES else "results"]()
    save_figure(draw_figure(name, data), Path(snakemake.output.pdf), Path(snakemake.output.png))
