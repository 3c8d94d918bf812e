"""The clustering of a folder of pictures for people: tables, and a model that travels."""

from pathlib import Path

from clusterprobe.runs.picture_tables import (
    ASSIGNMENT_COLUMNS,
    assignment_rows,
    duplicate_rows,
    table_assignment,
    write_csv,
)
from clusterprobe.runs.pictures import arrange
from clusterprobe.runs.portable import save_model
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import read_json
from clusterprobe.store.jobs import job
from clusterprobe.store.tables import write_table

with job(snakemake):
    cell, output = snakemake.params.cell, snakemake.output
    run = read_json(Path(cell["choice"]))["run"]
    arranged = arrange(cell, run)
    write_table(Path(output.pictures), arranged.table)
    save_arrays(Path(output.clusters), arranged.arrays)
    names = arranged.arrays["names"].tolist() if "names" in arranged.arrays else None
    columns = (*ASSIGNMENT_COLUMNS, "name") if names else ASSIGNMENT_COLUMNS
    ids = arranged.table["id"].to_pylist()
    rows = assignment_rows(ids, table_assignment(arranged.table), names)
    write_csv(Path(output.assignments), columns, rows)
    write_csv(Path(output.duplicates), ("group", "path", "kind", "cluster"), duplicate_rows(arranged.table))
    skipped = read_json(Path(cell["facts"]))["skipped"]
    write_csv(Path(output.skipped), ("path", "reason"), [[one["file"], one["reason"]] for one in skipped])
    record = {key: cell[key] for key in ("method", "normalise", "output")}
    record |= {"spherical": cell["method"] == "spherical-kmeans", "run": run, "names": names}
    save_model(Path(output.model), Path(cell["encoder"]), arranged.arrays, record)
