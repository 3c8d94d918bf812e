"""One table as LaTeX, HTML and CSV."""

from pathlib import Path

import pandas as pd

from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import save_table
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job

with job(snakemake):
    classes = {name: len(read_json(Path(path))["classes"]) for name, path in snakemake.params.facts.items()}
    results = pd.read_parquet(snakemake.input.results)
    output = snakemake.output
    table = build_table(snakemake.wildcards.table, results, classes)
    save_table(table, Path(output.tex), Path(output.html), Path(output.csv))
