"""All tables and figures in one PDF."""

from pathlib import Path

from clusterprobe.report.figures import FIGURES
from clusterprobe.report.paper import Exhibit, compile_paper, write_paper
from clusterprobe.report.table_builders import TABLES
from clusterprobe.store.atomic import write_text
from clusterprobe.store.jobs import job

with job(snakemake):
    tex = Path(snakemake.output.tex)
    tables = [Exhibit(f"tables/{Path(p).name}", TABLES[Path(p).stem].title) for p in snakemake.input.tables]
    figures = [
        Exhibit(f"figures/{Path(p).name}", FIGURES[Path(p).stem].caption) for p in snakemake.input.figures
    ]
    summary = (
        "Tables and figures of one experiment. Every number is a row of results.parquet beside this file."
    )
    write_text(tex, write_paper(snakemake.params.title, summary, tables, figures))
    compile_paper(tex, Path(snakemake.output.pdf))
