"""One table as LaTeX, HTML and CSV."""

from pathlib import Path

from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import save_table
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

with job(snakemake):
    classes = {name: len(read_json(Path(path))["classes"]) for name, path in snakemake.params.facts.items()}
    results = read_table(Path(snakemake.input.results)).to_pandas()
    output = snakemake.output
    table = build_table(snakemake.wildcards.table, results, classes)
    save_table(table, Path(output.tex), Path(output.html), Path(output.csv))
