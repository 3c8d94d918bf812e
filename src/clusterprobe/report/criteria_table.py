"""Table of what each label-free criterion would have chosen, and what that would have cost."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import CRITERIA, is_oracle, method_title, metric_title
from clusterprobe.report.selection import DEFAULT, at_home
from clusterprobe.report.tables import Cell, Column, Row, Table

TITLE = "Choosing without labels"

_COLUMNS = (
    Column("Rank correlation with ACC", "correlation_acc", "number"),
    Column("Rank correlation with linear probe", "correlation_linear", "number"),
    Column("ACC of the choice", "acc_of_choice"),
    Column("Cost", "cost"),
)
_FEWEST = 3  # settings that a rank correlation is worked out for
_GRID = ["fit_dataset", "method", "k"]


@dataclass(frozen=True)
class Grid:
    """The settings of one method on one data set at one number of clusters.

    `settings`: a row per setting, columns name, acc, linear (NaN: not probed) and one per criterion; means
    over seeds.
    """

    title: str
    settings: pd.DataFrame


def build_criteria_table(name: str, results: pd.DataFrame) -> Table:
    """Return, for every grid and criterion, rank correlations with ACC and linear probe, choice and cost.

    `results` are tidy. Raises UserError if no grid has two settings with criteria and ACC.
    """
    rows = [row for grid in grids(results) for row in _rows(grid)]
    if not rows:
        raise UserError(
            f"table {name!r} has nothing to show: no method has two settings with criteria and ACC; "
            "leave it out"
        )
    notes = (
        "Spearman rank correlation over settings, each the mean of its seeds. Cost: by how much the ACC of "
        "the choice falls short of that of the best setting. ACC and cost in percent.",
        "Of settings that share the highest value the first is taken. A choice by chance: the mean over all "
        "settings. Oracles take no part.",
    )
    return Table(name, TITLE, ("Criterion", "Choice"), _COLUMNS, tuple(rows), notes)


def grids(results: pd.DataFrame) -> Iterator[Grid]:
    """Yield every grid with at least two settings that have ACC and a criterion, in order of appearance."""
    criteria = results[results["metric"].isin(CRITERIA)]
    criteria = criteria[~criteria["variant"].astype(str).map(is_oracle).astype(bool)]
    scores = at_home(results)
    acc = scores[scores["metric"] == "acc"].groupby("run")["value"].mean()
    linear = _linear(results)
    for (dataset, method, k), rows in criteria.groupby(_GRID, sort=False):
        table = rows.pivot_table(index="run", columns="metric", values="value", aggfunc="mean", sort=False)
        facts = rows.groupby("run", sort=False).first()
        table["name"] = _setting_names(facts)
        table["acc"] = acc.reindex(table.index)
        table["linear"] = pd.Series({run: _probed(rows, str(run), linear) for run in table.index})
        table = table[table["acc"].notna()]
        if len(table) > 1:
            yield Grid(f"{dataset}, {method_title(str(method))}, {k} clusters", table)


def _linear(results: pd.DataFrame) -> pd.Series:
    """Return the accuracy of the linear probe with all labels, by data set and id of features."""
    chosen = (results["metric"] == "linear_top1") & (results["variant"] == DEFAULT)
    return results[chosen].groupby(["dataset", "features"])["value"].mean()


def _probed(rows: pd.DataFrame, run: str, linear: pd.Series) -> float:
    """Return the mean accuracy of linear probes on the features of a run, NaN if some were not probed."""
    seeds = rows[rows["run"] == run].drop_duplicates(["encoder_seed", "seed"])
    probed = pd.MultiIndex.from_frame(seeds[["fit_dataset", "features"]])
    return float(linear.reindex(probed).mean(skipna=False))


def _setting_names(facts: pd.DataFrame) -> pd.Series:
    """Return what tells the settings of a grid apart: encoder, variant, number of dimensions."""
    names = facts["encoder"].astype(str)
    names = names.where(facts["variant"] == DEFAULT, names + ", " + facts["variant"].astype(str))
    dims = facts["dims"].map(lambda value: "" if pd.isna(value) else f", {value} dimensions").astype(str)
    return names.where(~names.duplicated(keep=False), names + dims)


def _rows(grid: Grid) -> Iterator[Row]:
    settings, best = grid.settings, float(grid.settings["acc"].max())
    for criterion in CRITERIA:
        if criterion not in settings or settings[criterion].isna().all():
            continue
        known = settings[settings[criterion].notna()]
        chosen = known.iloc[int(known[criterion].to_numpy(dtype=float).argmax())]
        cells = (
            rank_correlation(known[criterion], known["acc"]),
            rank_correlation(known[criterion], known["linear"]),
            Cell(float(chosen["acc"])),
            Cell(best - float(chosen["acc"])),
        )
        yield Row((metric_title(criterion), str(chosen["name"])), cells, grid.title)
    none = Cell(None, reason="no criterion", seeds=0)
    mean = float(settings["acc"].mean())
    yield Row(
        ("by chance", f"any of {len(settings)}"), (none, none, Cell(mean), Cell(best - mean)), grid.title
    )


def rank_correlation(criterion: pd.Series, quality: pd.Series) -> Cell:
    """Return Spearman's rank correlation over the settings with both, or the reason why there is none."""
    pairs = pd.DataFrame({"criterion": criterion, "quality": quality}).astype(float).dropna()
    if len(pairs) < len(criterion):
        return Cell(None, reason="not every setting was probed", seeds=0)
    if len(pairs) < _FEWEST:
        return Cell(None, reason=f"fewer than {_FEWEST} settings", seeds=0)
    if (pairs.nunique() < 2).any():
        return Cell(None, reason="all settings have the same value", seeds=0)
    value = float(pairs["criterion"].rank().corr(pairs["quality"].rank()))
    return Cell(value) if math.isfinite(value) else Cell(None, reason="no correlation is defined", seeds=0)
