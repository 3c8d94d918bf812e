"""Which rows of the results a table or a figure shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from clusterprobe.report.names import CRITERIA, NEED_LABELS, NEED_TRAIN_LABELS, PROBES, is_oracle

DEFAULT = "default"


def clusterings(results: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of clusterings, on the split that is reported; no purity, probes or criteria."""
    rows = results[results["method"].notna() & ~results["metric"].isin([*PROBES, *CRITERIA])]
    return rows[rows["split"] == rows["dataset"].map(_reported_splits(rows))]


def at_home(results: pd.DataFrame) -> pd.DataFrame:
    """Return the clusterings scored on the data set that they were fitted on."""
    rows = clusterings(results)
    return rows[rows["dataset"] == rows["fit_dataset"]]


def abroad(results: pd.DataFrame) -> pd.DataFrame:
    """Return the clusterings carried over to another data set."""
    rows = clusterings(results)
    return rows[rows["dataset"] != rows["fit_dataset"]]


def default_variant(rows: pd.DataFrame, classes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return the rows of the default variant; with `classes`, those with as many clusters as classes."""
    rows = rows[rows["variant"] == DEFAULT]
    if classes:
        wanted = rows["fit_dataset"].map(dict(classes))
        rows = rows[wanted.isna() | (rows["k"] == wanted)]
    return rows


def sweep(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """Return the series in which `axis` (k or dims) takes two values or more and all else is equal.

    A sweep runs across variants: at a point that several variants hold, the default one counts. Oracles
    take no part.
    """
    rows = rows[~rows["variant"].astype(str).map(is_oracle).astype(bool)]
    series = [key for key in _SERIES if key != axis]
    point = [*series, axis, "metric", "encoder_seed", "seed"]
    order = (rows["variant"] != DEFAULT).astype(int)
    rows = rows.assign(_order=order).sort_values("_order", kind="stable")
    rows = rows.drop_duplicates(point).drop(columns="_order").sort_index()
    counts = rows.groupby(series, dropna=False)[axis].transform(lambda values: values.nunique(dropna=False))
    return rows[counts >= 2]


def contrasts(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the cells that exist in two variants or more."""
    counts = rows.groupby(list(_SERIES), dropna=False)["variant"].transform("nunique")
    return rows[counts >= 2]


def telling(rows: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """Return the columns, beyond `keys`, without which two cells would go by the same name."""
    found = list(keys)
    for column in ("variant", "reducer", "dims", "k", "head", "protocol"):
        if column in found:
            continue
        values = rows.groupby(found, dropna=False)[column].nunique(dropna=False)
        if values.max() > 1:
            found.append(column)
    return found[len(keys) :]


def unlabelled(results: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """Return why metrics are absent for want of labels: (fit_dataset, dataset, metric) -> reason.

    Nothing is excused that a missing label does not explain: without labels on the images that are scored all
    metrics that need labels are absent, without labels on those that are fitted on, all that need a map.
    """
    reasons: dict[tuple[str, str, str], str] = {}
    rows = results[results["method"].notna()]
    for (home, away), metrics in rows.groupby(["fit_dataset", "dataset"])["metric"]:
        present = set(metrics.astype(str))
        if not present & NEED_LABELS:
            absent, reason = NEED_LABELS, "the images carry no labels"
        elif not present & NEED_TRAIN_LABELS:
            absent, reason = NEED_TRAIN_LABELS, "the images that clusters were fitted on carry no labels"
        else:
            continue
        reasons |= {(str(home), str(away), metric): reason for metric in absent}
    return reasons


_SERIES = ("fit_dataset", "dataset", "split", "encoder", "method", "reducer", "dims", "k", "head", "protocol")


def _reported_splits(rows: pd.DataFrame) -> dict[str, str]:
    reported = {}
    for dataset, splits in rows.groupby("dataset", sort=False)["split"]:
        present = sorted(set(splits.astype(str)))
        preferred = ["test", "val", *(name for name in present if name != "train"), "train"]
        reported[str(dataset)] = next(name for name in preferred if name in present)
    return reported
