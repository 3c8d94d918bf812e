"""The tables that a person gets about a folder of pictures, as CSV for any spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.store.atomic import write_text

ASSIGNMENT_COLUMNS = ("path", "cluster", "confidence", "second_choice", "distance")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write rows under their columns, quoted where commas, quotes or line breaks are in a name."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")  # so that both are quoted in a name
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())


def assignment_rows(
    ids: Sequence[str], assignment: Assignment, names: Sequence[str] | None = None
) -> Iterable[list[Any]]:
    """Yield path, cluster, confidence, second choice (empty if there is none) and distance of each picture.

    With `names`, one for each cluster, the name of the cluster comes last.
    """
    for row, name in enumerate(ids):
        cluster, second = int(assignment.cluster[row]), int(assignment.second[row])
        values = [name, cluster, f"{assignment.confidence[row]:.4f}", second if second >= 0 else ""]
        values.append(f"{assignment.distance[row]:.6g}")
        yield [*values, names[cluster]] if names else values


def duplicate_rows(table: pa.Table) -> Iterable[list[Any]]:
    """Yield group, path, kind (first, copy, near) and cluster of pictures that are there more than once."""
    ids, first = table["id"].to_pylist(), table["first"].to_numpy()
    copies, cluster = table["copy"].to_numpy(zero_copy_only=False), table["cluster"].to_numpy()
    own = np.arange(len(first))
    repeated = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > 1)
    groups = {picture: number for number, picture in enumerate(np.unique(first[repeated]).tolist())}
    for row in sorted(repeated.tolist(), key=lambda each: (first[each], each)):
        kind = "first" if first[row] == own[row] else "copy" if copies[row] else "near"
        yield [groups[int(first[row])], ids[row], kind, int(cluster[row])]


def table_assignment(table: pa.Table) -> Assignment:
    """Return the assignment that the table of the pictures holds."""
    names = ("cluster", "second", "distance", "confidence")
    return Assignment(*(table[name].to_numpy() for name in names))
