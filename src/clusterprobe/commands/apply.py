"""`clusterprobe assign` and `clusterprobe cut`: a clustering on new pictures, or at another level."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import yaml

from clusterprobe.cluster.groups import assign_groups
from clusterprobe.cluster.hierarchy import cut_tree
from clusterprobe.commands.cluster import CONFIG
from clusterprobe.commands.workflow import workflow_home
from clusterprobe.config.errors import UserError
from clusterprobe.config.loading import load_config
from clusterprobe.config.own_pictures import NAME
from clusterprobe.config.picture_cells import arranging_cell
from clusterprobe.config.plan import make_plan
from clusterprobe.runs.picture_tables import ASSIGNMENT_COLUMNS, assignment_rows, write_csv
from clusterprobe.runs.pictures import open_rows
from clusterprobe.runs.portable import assign_folder, load_model
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.tables import read_table


def assign(model: Path, pictures: Path, out: Path | None) -> None:
    """Write the clusters of the pictures in a folder to a CSV file, and say which could not be read."""
    loaded = load_model(model)
    pictures = pictures.expanduser().absolute()
    found = assign_folder(loaded, pictures)
    target = out or Path(f"assignments-{pictures.name}.csv")
    names = loaded.record.get("names")
    columns = (*ASSIGNMENT_COLUMNS, "name") if names else ASSIGNMENT_COLUMNS
    write_csv(target, columns, assignment_rows(found.ids, found.assignment, names))
    for one in found.skipped:
        print(f"left out: {one['file']!r} {one['reason']}", file=sys.stderr)
    sizes = np.bincount(found.assignment.cluster, minlength=loaded.k)
    print(f"{len(found.ids):,} pictures in {np.count_nonzero(sizes)} of {loaded.k} clusters: {target}")


def cut(result: Path, k: int, out: Path | None) -> None:
    """Write the clusters of a result at another level of its hierarchy; nothing is fitted again."""
    config = result / CONFIG
    if not config.is_file():
        raise UserError(f"{result} is no result of `clusterprobe cluster` ({CONFIG} is missing)")
    plan = make_plan(load_config(yaml.safe_load(config.read_text("utf-8")), workflow_home() / "config"))
    cell = arranging_cell(plan)
    arrays = load_arrays(result / "data" / "pictures" / NAME / "clusters.npz")
    groups = cut_tree(arrays["merges"], k)
    ids = read_table(result / "data" / "pictures" / NAME / "pictures.parquet")["id"].to_pylist()
    if "centres" not in arrays:
        raise UserError(
            "the clusters of heads have no centres to cut by: use the gallery, which shows every level"
        )
    rows = open_rows([result / shard for shard in cell["shards"]], cell["normalise"])
    spherical = cell["method"] == "spherical-kmeans"
    assignment = assign_groups(rows, arrays["centres"], groups, spherical=spherical)
    target = out or result / f"assignments-k{k}.csv"
    write_csv(target, ASSIGNMENT_COLUMNS, assignment_rows(ids, assignment))
    print(f"{len(ids):,} pictures in {k} clusters: {target}")
