"""One figure as PDF and PNG."""

from pathlib import Path

from clusterprobe.evaluate.frames import confusion_frame, sizes_frame
from clusterprobe.evaluate.label_entropy import agreement_frame, entropies_frame
from clusterprobe.evaluate.similarity_histogram import similarities_frame
from clusterprobe.evaluate.snapshots import snapshot_knn_frame
from clusterprobe.report.figures import FIGURES, draw_figure, save_figure
from clusterprobe.report.traces import histories_frame
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

with job(snakemake):
    name, params = snakemake.wildcards.figure, snakemake.params
    readers = {
        "results": lambda: read_table(Path(snakemake.input.results)).to_pandas(),
        "assignments": lambda: sizes_frame(params.runs),
        "counts": lambda: confusion_frame(params.runs[0]),
        "histories": lambda: histories_frame(params.histories),
        "entropies": lambda: entropies_frame(params.runs),
        "agreements": lambda: agreement_frame(params.found),
        "similarities": lambda: similarities_frame(params.compared),
        "snapshot-knn": lambda: snapshot_knn_frame(params.snapshots),
    }
    data = readers[FIGURES[name].data if name in FIGURES else "results"]()
    classes = {name: len(read_json(Path(path))["classes"]) for name, path in params.classes.items()}
    data.attrs |= params.attributes | {"classes": classes}
    save_figure(draw_figure(name, data), Path(snakemake.output.pdf), Path(snakemake.output.png))
