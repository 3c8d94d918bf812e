"""Numbers that papers printed, to stand beside ours."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from clusterprobe.config.errors import UserError, nearest

PAPERS = ("cld", "kmeans_ssl", "mmdc", "scan", "sela")
"""Papers whose numbers are here."""


def published(paper: str) -> pd.DataFrame:
    """Return the numbers of one paper, one row each.

    Columns: paper, table, dataset, protocol, method, backbone, metric, mean, std, spread, unit, runs, note.
    `mean` and `std` are numbers (NaN where the paper prints none), `runs` a nullable integer, others text.
    """
    if paper not in PAPERS:
        raise UserError(f"no published numbers of {paper!r}: {nearest(paper, PAPERS)}")
    source = files("clusterprobe.report").joinpath("published", f"{paper}.csv")
    with source.open(encoding="utf-8") as handle:
        rows = pd.read_csv(handle, dtype="string", keep_default_na=False)
    for column in ("mean", "std"):
        rows[column] = pd.to_numeric(rows[column]).astype("float64")
    rows["runs"] = pd.to_numeric(rows["runs"]).astype("Int64")
    return rows
