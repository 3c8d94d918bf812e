"""Tables of clusterings: a row for each encoder and method, a column for each metric."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import SHOTS, SUPERVISED, is_oracle, method_title
from clusterprobe.report.selection import (
    abroad,
    at_home,
    contrasts,
    default_variant,
    sweep,
    telling,
    unlabelled,
)
from clusterprobe.report.summary import CELL, is_null, summarise
from clusterprobe.report.tables import COMPANION_NOTE, Cell, Column, Row, Table, metric_column

Classes = Mapping[str, int]
Record = Mapping[Any, Any]
Reasons = Mapping[tuple[str, str, str], str]

LABEL_FREE = ("clusters_used", "largest_share", "entropy")
"""What a table prints of images that carry no labels."""

_LEFT_OUT = {f"acc_{shots}": "no class of this size" for shots in SHOTS} | {
    "ami_balanced": "a class has one image only"
}
_COMPANIONS = ("clusters_used", "largest_share", "chance_acc")


@dataclass(frozen=True)
class Recipe:
    """How one table is made: what it is called, which rows it takes, which metrics it prints."""

    title: str
    select: Callable[[pd.DataFrame, Classes], pd.DataFrame]
    metrics: tuple[str, ...]
    headers: tuple[tuple[str, str], ...] = ()
    label_keys: tuple[str, ...] = ("encoder", "method")
    group_by_k: bool = False


RECIPES = {
    "clustering": Recipe(
        "Clustering with as many clusters as classes",
        lambda results, classes: default_variant(at_home(results), classes),
        ("acc", "acc_val", "ami", "ari", "nmi", *_COMPANIONS),
    ),
    "long-tail": Recipe(
        "Clustering of data sets whose classes differ in size",
        lambda results, classes: _tailed(default_variant(at_home(results), classes)),
        ("acc", *(f"acc_{shots}" for shots in SHOTS), "ami", "ami_balanced", "ari", *_COMPANIONS),
    ),
    "transfer": Recipe(
        "Clusters carried over to another data set",
        lambda results, classes: default_variant(abroad(results), classes),
        ("acc", "acc_val", "ami", "ari", "nmi", *_COMPANIONS),
        headers=(("acc", "ACC-tr"),),
    ),
    "overclustering": Recipe(
        "Numbers of clusters",
        lambda results, classes: sweep(at_home(results), "k"),
        ("acc", "acc_majority", "ami", "ari", "nmi", *_COMPANIONS),
        group_by_k=True,
    ),
    "variants": Recipe(
        "Variants of a method",
        lambda results, classes: contrasts(at_home(results)),
        ("acc", "acc_val", "ami", "ari", "nmi", *_COMPANIONS),
        label_keys=("encoder", "method", "variant"),
    ),
}
"""The tables that any experiment can have."""

_OTHER_NUMBERS = replace(
    RECIPES["overclustering"],
    title="Clustering with other numbers of clusters than classes",
    select=lambda results, classes: default_variant(at_home(results)),
)

_LABELS = {
    "encoder": "Encoder",
    "method": "Method",
    "variant": "Variant",
    "reducer": "Reduction",
    "dims": "Dimensions",
    "k": "Clusters",
    "head": "Head",
    "protocol": "Protocol",
    "n_seeds": "Seeds",
}


def build_clusterings(name: str, results: pd.DataFrame, classes: Classes) -> Table:
    """Return the table `name` of RECIPES of a tidy frame of results; `classes`: how many a data set has."""
    recipe = RECIPES[name]
    if name == "clustering" and recipe.select(results, classes).empty:
        recipe = _OTHER_NUMBERS
    rows, reasons = recipe.select(results, classes), unlabelled(results)
    if _without_labels(rows, reasons):
        recipe = replace(recipe, title="Clusters of images without labels", metrics=LABEL_FREE)
    rows = rows[rows["metric"].isin(recipe.metrics)]
    if rows.empty:
        raise UserError(f"table {name!r} has nothing to show: the results hold no such runs; leave it out")
    cells = _cells(rows, recipe.metrics, reasons)
    labels = _label_keys(recipe, cells)
    table_rows = [
        Row(
            tuple(_label(key, cell) for key in labels),
            tuple(cell["cells"]),
            _heading(cell, cells, recipe, classes),
            compared=not is_oracle(str(cell["variant"])),
        )
        for cell in _ordered(cells, recipe, results).to_dict("records")
    ]
    columns = tuple(metric_column(metric, dict(recipe.headers).get(metric)) for metric in recipe.metrics)
    headers = tuple(_LABELS[key] for key in labels)
    return Table(name, recipe.title, headers, columns, tuple(table_rows), _notes(cells, columns))


def _tailed(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of data sets whose classes differ in size."""
    return rows[rows["dataset"].isin(rows.loc[rows["metric"] == "acc_class_mean", "dataset"].unique())]


def _without_labels(rows: pd.DataFrame, reasons: Reasons) -> bool:
    """Return whether no row can have a score that compares clusters with classes."""
    pairs = rows[["fit_dataset", "dataset"]].drop_duplicates().itertuples(index=False, name=None)
    return all((str(home), str(away), "ami") in reasons for home, away in pairs)


def _cells(rows: pd.DataFrame, metrics: tuple[str, ...], reasons: Reasons) -> pd.DataFrame:
    """Return one row per cell: its keys, the number of its seeds and its list of table cells."""
    summary = summarise(rows, CELL)
    found = []
    for _, part in summary.groupby(list(CELL), dropna=False, sort=False):
        first = part.iloc[0]
        values = {row["metric"]: row for row in part.to_dict("records")}
        pair = str(first["fit_dataset"]), str(first["dataset"])
        cells = [
            _cell(values.get(metric), reasons.get((*pair, metric), _LEFT_OUT.get(metric)))
            for metric in metrics
        ]
        found.append({key: first[key] for key in CELL} | {"n_seeds": part["n_seeds"].max(), "cells": cells})
    return pd.DataFrame(found)


def _cell(value: Record | None, reason: str | None) -> Cell:
    if value is None:
        return Cell(None, reason=reason, seeds=0)
    return Cell(float(value["mean"]), float(value["std"]), int(value["n_seeds"]))


def _label_keys(recipe: Recipe, cells: pd.DataFrame) -> list[str]:
    """Return the columns that name a row: those of the recipe, and others that rows need to differ."""
    group = ["fit_dataset", "dataset", *(["k"] if recipe.group_by_k else [])]
    keys = [*recipe.label_keys, *telling(cells, [*group, *recipe.label_keys])]
    return [*keys, "n_seeds"] if cells["n_seeds"].nunique() > 1 else keys


def _ordered(cells: pd.DataFrame, recipe: Recipe, results: pd.DataFrame) -> pd.DataFrame:
    """Return the cells by group, then in the order in which the results name encoders and methods."""
    ranks = {}
    for key in ("fit_dataset", "dataset", "encoder", "method", "variant"):
        order = {value: rank for rank, value in enumerate(results[key].dropna().unique())}
        ranks[key] = cells[key].map(order)
    ranks["supervised"] = cells["method"].isin(list(SUPERVISED))
    by = ["fit_dataset", "dataset", "supervised", *(["k"] if recipe.group_by_k else [])]
    by += ["encoder", "method", "variant"]
    by += [key for key in ("reducer", "dims", "k", "head") if key not in by]
    return cells.loc[cells.assign(**ranks).sort_values(by, kind="stable", na_position="last").index]


def _label(key: str, cell: Record) -> str:
    value = cell[key]
    if is_null(value):
        return "all" if key == "dims" else "none"
    return method_title(str(value)) if key == "method" else str(value)


def _heading(cell: Record, cells: pd.DataFrame, recipe: Recipe, classes: Classes) -> str:
    home, away = str(cell["fit_dataset"]), str(cell["dataset"])
    where = away if home == away else f"{home} → {away}"
    heading = f"{where}, {cell['split']} split"
    if cell["method"] in SUPERVISED:
        return f"{heading}, trained with labels: the upper row, no clustering"
    alike = cells[(cells["fit_dataset"] == cell["fit_dataset"]) & (cells["dataset"] == cell["dataset"])]
    if is_null(cell["k"]) or not (recipe.group_by_k or alike["k"].nunique() == 1):
        return heading
    k = int(cell["k"])
    heading += f", {k} clusters"
    if recipe.group_by_k and home in classes:
        heading += f" ({k / classes[home]:.3g} × classes)"
    return heading


def _notes(cells: pd.DataFrame, columns: tuple[Column, ...]) -> tuple[str, ...]:
    if not any(column.compared for column in columns):
        seeds = f"Means over {_counted(cells)}." if cells["n_seeds"].max() > 1 else "One seed."
        return (f"Largest share, of images in the largest cluster, in percent; entropy in nats. {seeds}",)
    notes = [f"Values in percent, but for the number of clusters used. {_spread_note(cells, columns)}"]
    if len(cells) > 1:
        notes.append(
            "Bold: best of its group of rows; †: less than one standard deviation of the best below it."
        )
    if cells["variant"].astype(str).map(is_oracle).any():
        notes.append("Oracle: labels were used, an upper bound that is not compared with the other rows.")
    return (*notes, COMPANION_NOTE)


def _spread_note(cells: pd.DataFrame, columns: tuple[Column, ...]) -> str:
    if cells["n_seeds"].max() == 1:
        return "One seed: no standard deviation."
    spread = ", ".join(column.header for column in columns if column.spread)
    if cells["n_seeds"].nunique() == 1:
        return f"{spread}: mean ± standard deviation over {_counted(cells)}; other columns: mean."
    return f"{spread}: mean ± standard deviation over seeds (one seed has none); other columns: mean."


def _counted(cells: pd.DataFrame) -> str:
    counts = sorted({int(count) for count in cells["n_seeds"]})
    return f"{counts[0]} seeds" if len(counts) == 1 else "seeds"
