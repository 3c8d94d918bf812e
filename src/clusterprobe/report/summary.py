"""From one row per seed to one row per cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.store.tables import RESULTS

CELL = (
    "fit_dataset",
    "dataset",
    "split",
    "encoder",
    "method",
    "variant",
    "reducer",
    "dims",
    "k",
    "head",
    "protocol",
)
"""Columns that name a cell of an experiment: what is left is seeds."""

SEEDS = ("encoder_seed", "seed")

_TYPES = {"string": "string", "int64": "Int64", "double": "float64"}


def tidy(results: pd.DataFrame) -> pd.DataFrame:
    """Return `results` with the types of its columns restored: text, nullable integers, numbers.

    What differs from seed to seed names no cell. `head` is kept only where one seed was scored with several
    heads: otherwise training chose it. `dims` is null, all of them, where the seeds of a run have bases of
    different rank, as networks with different units that never fire give. Raises UserError if a column is
    missing.
    """
    absent = [name for name in RESULTS.names if name not in results.columns]
    if absent:
        raise UserError(f"the results lack the columns {', '.join(absent)}: collect them again")
    results = results.astype({field.name: _TYPES[str(field.type)] for field in RESULTS})
    heads = results.groupby(["run", *SEEDS], dropna=False)["head"].transform("nunique")
    ranks = results.groupby("run", dropna=False)["dims"].transform("nunique")
    return results.assign(head=results["head"].where(heads > 1), dims=results["dims"].where(ranks <= 1))


def is_null(value: Any) -> bool:
    """Return whether a single value of a frame is null: None, NaN or NA."""
    return bool(pd.isna(value))


def summarise(results: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """Return mean, std and n_seeds of every metric of every cell, in order of first appearance.

    `keys` name the cell; the seeds of encoder and clustering are averaged over. The standard deviation is
    that of a sample (ddof=1): NaN for one seed. Raises UserError if `keys` fail to tell two runs apart.
    """
    wanted = [*keys, "metric"]
    _reject_repeats(results, wanted)
    groups = results.groupby(wanted, dropna=False, sort=False)["value"]
    return groups.agg(mean="mean", std="std", n_seeds="count").reset_index()


def cells(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per cell: its keys, and mean and std of each metric as columns `acc`, `acc_std`, ..."""
    summary = summarise(rows, CELL)
    found = []
    for _, part in summary.groupby(list(CELL), dropna=False, sort=False):
        record = {key: part.iloc[0][key] for key in CELL}
        for row in part.itertuples():
            record |= {str(row.metric): row.mean, f"{row.metric}_std": row.std}
        found.append(record)
    return pd.DataFrame(found).astype({"dims": "Int64", "k": "Int64", "head": "Int64"})


def reject_several_runs(rows: pd.DataFrame, where: str) -> None:
    """Raise UserError that says what differs if `rows`, of which `where` shows one run, are of several."""
    runs = rows[[*CELL, "run"]].drop_duplicates()
    if len(runs) > 1:
        differ = ", ".join(column for column in CELL if runs[column].nunique(dropna=False) > 1)
        raise UserError(
            f"several runs fit {where}, they differ in {differ or 'their options'}: give all but one of them "
            "another variant"
        )


def missing(
    summary: pd.DataFrame, keys: Sequence[str], metrics: Sequence[str]
) -> list[tuple[dict[str, Any], str]]:
    """Return the cells of `summary` that lack one of `metrics`, each with the metric that it lacks."""
    present = summary[summary["mean"].notna()]
    found = set(present[[*keys, "metric"]].astype("string").fillna("").itertuples(index=False, name=None))
    absent = []
    for cell in summary[list(keys)].drop_duplicates().to_dict("records"):
        words = tuple("" if is_null(value) else str(value) for value in cell.values())
        absent += [
            ({str(key): value for key, value in cell.items()}, metric)
            for metric in metrics
            if (*words, metric) not in found
        ]
    return absent


def _reject_repeats(results: pd.DataFrame, wanted: Sequence[str]) -> None:
    seeds = [column for column in SEEDS if column in results.columns]
    repeated = results[results.duplicated([*wanted, *seeds], keep=False)]
    if repeated.empty:
        return
    first = repeated.iloc[0]
    cell = ", ".join(f"{key}={first[key]}" for key in wanted if not is_null(first[key]))
    runs = ", ".join(sorted(set(repeated["run"].dropna().astype(str)))) if "run" in repeated else "unknown"
    raise UserError(
        f"two runs fall into one cell ({cell}; runs {runs}): give the groups of `clusterings:` "
        "that they come from different variants"
    )
