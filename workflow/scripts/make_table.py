"""One table as LaTeX, HTML and CSV."""

from pathlib import Path

from clusterprobe.evaluate.frames import largest_confusions
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import save_table
from clusterprobe.report.traces import dataset_facts
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

CONFUSIONS = 5

with job(snakemake):
    params, output = snakemake.params, snakemake.output
    table = build_table(
        snakemake.wildcards.table,
        read_table(Path(snakemake.input.results)).to_pandas(),
        {name: len(read_json(Path(path))["classes"]) for name, path in params.classes.items()},
        published_as=params.published_as,
        facts=dataset_facts(params.facts),
        catalogue=params.catalogue,
        encoders=params.encoders,
        confusions=[largest_confusions(shown, CONFUSIONS) for shown in params.runs],
    )
    save_table(table, Path(output.tex), Path(output.html), Path(output.csv))
