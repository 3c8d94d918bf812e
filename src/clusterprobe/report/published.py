"""Numbers that papers printed, to stand beside ours."""

from __future__ import annotations

from importlib.resources import files

import pandas as pd

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.report.tables import Cell

PAPERS = ("cld", "kmeans_ssl", "mmdc", "scan", "sela")
"""Papers whose numbers are here."""

PAPER_TITLES = {
    "cld": "CLD (arXiv 2008.03813)",
    "kmeans_ssl": "KMeansSSL (arXiv 2008.10312)",
    "mmdc": "MMDC (arXiv 1912.02678)",
    "scan": "SCAN (arXiv 2005.12320)",
    "sela": "SeLa (arXiv 1911.05371)",
}
"""How tables cite them."""


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


def published_cell(rows: pd.DataFrame, metric: str, where: str) -> Cell:
    """Return the one number of `rows` (one table, data set and method) for a metric, percent as a fraction.

    A dash in the paper becomes a cell with that reason. Raises ValueError, naming `where`, unless there is
    exactly one row.
    """
    rows = rows[rows["metric"] == metric]
    if len(rows) != 1:
        raise ValueError(f"{where}: {len(rows)} published numbers of {metric}, wanted one")
    row = rows.iloc[0]
    if pd.isna(row["mean"]):
        return Cell(None, reason="not reported in the paper", seeds=0)
    scale = 100.0 if row["unit"] == "percent" else 1.0
    mean, std = (round(float(row[key]) / scale, 10) for key in ("mean", "std"))  # 42.7 % is 0.427
    return Cell(mean, std, seeds=0)
