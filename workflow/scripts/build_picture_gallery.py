"""The gallery of a folder of pictures, and the page about their number of clusters."""

from pathlib import Path

from clusterprobe.images.thumbnails import read_thumbnails
from clusterprobe.report.choice_page import choice_page
from clusterprobe.report.picture_gallery import Gallery, write_gallery
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json, write_text
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import read_table

with job(snakemake):
    given, output, params = snakemake.input, snakemake.output, snakemake.params
    choice, facts = read_json(Path(given.choice)), read_json(Path(given.facts))
    arrays = load_arrays(Path(given.clusters))
    gallery = Gallery(
        params.title,
        read_table(Path(given.pictures)),
        arrays,
        read_thumbnails(Path(given.thumbnails))["jpeg"],
        choice,
        [*params.about, f"Files that could not be used: {len(facts['skipped'])}."],
        arrays["names"].tolist() if "names" in arrays else (),
    )
    write_gallery(Path(output.gallery), Path(output.files), gallery, params.embedded_megabytes * 2**20)
    write_text(Path(output.choice), choice_page(f"{params.title}: how many clusters?", choice))
