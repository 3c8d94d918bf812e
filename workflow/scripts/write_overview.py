"""The first page of the report, the cost page and the provenance of every number."""

from pathlib import Path

from clusterprobe.report.cost import build_cost_page
from clusterprobe.report.overview import build_overview
from clusterprobe.report.traces import dataset_facts, files_of, gather_provenance
from clusterprobe.store.atomic import write_json, write_text
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

with job(snakemake):
    asked, ids, output = snakemake.params.asked, snakemake.params.ids, snakemake.output
    provenance = gather_provenance(Path("data/logs"), ids)
    write_json(Path(output.provenance), provenance)
    write_text(Path(output.cost), build_cost_page(files_of(Path("data/benchmarks"), ".jsonl", ids)))
    overview = build_overview(
        asked["title"],
        read_table(Path(snakemake.input.results)).to_pandas(),
        datasets=dataset_facts(asked["datasets"]),
        encoders=asked["encoders"],
        methods=asked["methods"],
        provenance=provenance["git"] | {"versions": provenance["versions"], "seeds": asked["seeds"]},
    )
    write_text(Path(output.overview), overview)
