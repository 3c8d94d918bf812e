"""Tables of a benchmark of encoders: what a paper printed, the same protocol here, and the clean one.

Numbers of the paper are compared with runs of the protocol `published` only; clean ones have own columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.config.multiples import multiple
from clusterprobe.report.benchmark import AS_PUBLISHED, CLEAN, METHODS, PAPER, BenchmarkTable, Entry, Score
from clusterprobe.report.names import COMPANIONS
from clusterprobe.report.our_cells import PROBE
from clusterprobe.report.published import PAPER_TITLES, published, published_cell
from clusterprobe.report.selection import DEFAULT, clusterings
from clusterprobe.report.summary import reject_several_runs, summarise
from clusterprobe.report.tables import COMPANION_NOTE, Cell, Column, Row, Table, metric_column

FURTHER = "not in the paper"
_QUOTED = "quoted by the paper, no k-means"

Facts = Mapping[str, Mapping[str, Any]]
"""What the configuration says of encoders, by readable names: `seen`, and `linear`, a quoted accuracy."""


@dataclass(frozen=True)
class _Scope:
    """Our rows on the data sets of a table, and how many classes the fitted one has; `published`: are they
    those of the paper?"""

    rows: pd.DataFrame
    probes: pd.DataFrame
    classes: int | None
    heading: str
    published: bool


def build_benchmark_table(
    name: str,
    recipe: BenchmarkTable,
    results: pd.DataFrame,
    classes: Mapping[str, int],
    published_as: Mapping[str, str],
    encoders: Facts,
) -> Table:
    """Return a table of the paper with our runs, clean and as published, beside its numbers.

    Encoders that the paper does not have follow in rows of their own. Without a data set that is
    `published_as` one of the table's, the numbers of the paper are left out. Raises UserError if there are
    no runs of ours.
    """
    scope = _scope(name, recipe, results, classes, published_as)
    numbers = published(PAPER)
    protocols = [word for word in (AS_PUBLISHED, CLEAN) if (scope.rows["protocol"] == word).any()]
    entries = recipe.entries if scope.published else ()
    entries = (*entries, *_further(entries, scope, encoders))
    linear = _linear_columns(recipe, scope, encoders)
    columns = (*linear, *_columns(recipe, scope, protocols))
    rows = tuple(
        Row(
            (entry.published or entry.names(CLEAN)[0],),
            (
                *_linear_cells(entry, recipe, scope, numbers, encoders, linear),
                *_cells(entry, recipe, scope, numbers, protocols),
            ),
            f"{scope.heading}: {entry.section}",
            compared=entry.section in ("self-supervised", FURTHER),
        )
        for entry in entries
    )
    notes = _notes(recipe, scope, protocols)
    return Table(name, recipe.title, ("Encoder",), columns, rows, notes)


def _scope(
    name: str,
    recipe: BenchmarkTable,
    results: pd.DataFrame,
    classes: Mapping[str, int],
    published_as: Mapping[str, str],
) -> _Scope:
    """Return our rows for a table: on the paper's data sets, or else on the first that was fitted."""
    rows = clusterings(results)
    rows = rows[rows["method"].isin(METHODS)]
    same = recipe.fitted == recipe.scored
    rows = rows[(rows["dataset"] == rows["fit_dataset"]) == same]
    called = rows[["fit_dataset", "dataset"]].map(lambda ours: published_as.get(str(ours)))
    theirs = (called["fit_dataset"] == recipe.fitted) & (called["dataset"] == recipe.scored)
    shown = rows[theirs]
    if shown.empty:
        pairs = rows[["fit_dataset", "dataset"]].drop_duplicates().head(1)
        shown = rows.merge(pairs)
    if shown.empty:
        raise UserError(f"table {name!r} has nothing to show: the results hold no such runs; leave it out")
    first = shown.iloc[0]
    home, away = str(first["fit_dataset"]), str(first["dataset"])
    heading = f"{home if same else f'{home} → {away}'}, {first['split']} split"
    probes = results[(results["metric"] == PROBE) & (results["dataset"] == home)]
    return _Scope(shown, probes[probes["variant"] == DEFAULT], classes.get(home), heading, bool(theirs.any()))


def _further(entries: Sequence[Entry], scope: _Scope, encoders: Facts) -> Iterator[Entry]:
    """Yield a row for every encoder of ours that none of the paper's stands for."""
    known = {name for entry in entries for name in entry.names(CLEAN)}
    for encoder in scope.rows["encoder"].unique():
        clean = scope.rows[(scope.rows["encoder"] == encoder) & (scope.rows["protocol"] == CLEAN)]
        if encoder not in known and len(clean):
            labels = encoders.get(str(encoder), {}).get("seen") == "labels"
            section = f"{FURTHER}, trained with labels" if labels else FURTHER
            yield Entry(None, (str(encoder),), section=section)


def _columns(recipe: BenchmarkTable, scope: _Scope, protocols: Sequence[str]) -> Iterator[Column]:
    for score in recipe.scores:
        if scope.published:
            yield replace(
                metric_column(score.metric, f"{score.heading} published"), metric=f"published_{score.metric}"
            )
        if AS_PUBLISHED in protocols:
            header = f"{score.heading} as published"
            yield replace(metric_column(score.metric, header), metric=f"{score.metric}_as_published")
        if CLEAN in protocols:
            yield metric_column(
                score.metric, f"{score.heading} clean" if len(protocols) > 1 or scope.published else None
            )
    for metric in _companions(recipe) if CLEAN in protocols else ():
        yield metric_column(metric)


def _companions(recipe: BenchmarkTable) -> tuple[str, ...]:
    shown = {score.metric for score in recipe.scores}
    return tuple(metric for metric in COMPANIONS if metric not in shown)


def _cells(
    entry: Entry, recipe: BenchmarkTable, scope: _Scope, numbers: pd.DataFrame, protocols: Sequence[str]
) -> Iterator[Cell]:
    """Yield the cells of a row: for each score the paper's and ours by protocol, then the companions."""
    found = {protocol: _ours(entry, protocol, scope) for protocol in protocols}
    for score in recipe.scores:
        if scope.published:
            yield _theirs(entry, score, recipe, numbers)
        for protocol in protocols:
            yield _ours_cell(score.metric, *found[protocol])
    for metric in _companions(recipe) if CLEAN in protocols else ():
        yield _ours_cell(metric, *found[CLEAN])


def _ours(entry: Entry, protocol: str, scope: _Scope) -> tuple[dict[str, Any], str]:
    """Return the summary by metric of the runs of a row under one protocol, and why there are none."""
    names = entry.names(protocol)
    if not names:
        return {}, _QUOTED
    rows = scope.rows[(scope.rows["protocol"] == protocol) & scope.rows["encoder"].isin(list(names))]
    if rows.empty:
        words = f" with `protocol: {protocol}`" if protocol == AS_PUBLISHED else ""
        return {}, f"waits for a run on {names[0]}{words}"
    rows = _first(rows, "encoder", names)
    if scope.classes is not None:
        rows = rows[rows["k"] == multiple(entry.factor, scope.classes)]
    if entry.factor == 1:
        rows = rows[rows["variant"] == DEFAULT]
    if rows.empty:
        return {}, f"waits for a run with {entry.factor:g} × as many clusters as classes"
    rows = _first(rows, "method", METHODS)
    reject_several_runs(rows, f"the row {entry.published or names[0]!r} under the protocol {protocol!r}")
    summary = summarise(rows, ("method",))
    return {str(row["metric"]): row for row in summary.to_dict("records")}, "the images carry no labels"


def _first(rows: pd.DataFrame, column: str, order: Sequence[str]) -> pd.DataFrame:
    """Return the rows with the first value of `order` that there is."""
    present = set(rows[column])
    return rows[rows[column] == next(value for value in order if value in present)]


def _ours_cell(metric: str, values: Mapping[str, Any], reason: str) -> Cell:
    if metric not in values:
        recall = metric.startswith("recall") and values
        return Cell(None, reason="no image of such a class" if recall else reason, seeds=0)
    row = values[metric]
    return Cell(float(row["mean"]), float(row["std"]), int(row["n_seeds"]))


def _theirs(entry: Entry, score: Score, recipe: BenchmarkTable, numbers: pd.DataFrame) -> Cell:
    table, dataset = score.place or (recipe.table, recipe.scored)
    return _printed(entry, score.published, table, dataset, numbers)


def _printed(entry: Entry, metric: str, table: str, dataset: str, numbers: pd.DataFrame) -> Cell:
    if entry.published is None:
        return Cell(None, reason="a row that the paper does not have", seeds=0)
    wanted = {_plain(name) for name in (entry.published, entry.also) if name}
    rows = numbers[(numbers["table"] == table) & (numbers["dataset"] == dataset)]
    rows = rows[rows["method"].map(_plain).isin(wanted) & (rows["metric"] == metric)]
    if rows.empty:
        return Cell(None, reason="not reported in the paper", seeds=0)
    return published_cell(rows, metric, f"{table}, {entry.published}")


def _plain(name: str) -> str:
    """Return a name without spaces: tables of the paper set them differently."""
    return "".join(str(name).split())


def _linear_columns(recipe: BenchmarkTable, scope: _Scope, encoders: Facts) -> tuple[Column, ...]:
    if recipe.linear is None:
        return ()
    quoted = scope.published or any(facts.get("linear") for facts in encoders.values())
    columns = [Column("Linear quoted", "published_linear")] if quoted else []
    columns += [] if scope.probes.empty else [metric_column(PROBE, "Linear clean")]
    return tuple(columns)


def _linear_cells(
    entry: Entry,
    recipe: BenchmarkTable,
    scope: _Scope,
    numbers: pd.DataFrame,
    encoders: Facts,
    columns: Sequence[Column],
) -> Iterator[Cell]:
    """Yield the quoted linear accuracy (of the paper, or else of the catalogue) and the measured one."""
    names = entry.names(CLEAN)
    for column in columns:
        if column.metric == PROBE:
            rows = scope.probes[scope.probes["encoder"].isin(list(names[:1]))]
            values = {str(row["metric"]): row for row in summarise(rows, ("method",)).to_dict("records")}
            waits = "waits for a linear probe on these features"
            yield _ours_cell(PROBE, values, waits if names else _QUOTED)
        elif entry.published is not None:
            yield _printed(entry, recipe.linear or "", recipe.table, recipe.scored, numbers)
        else:
            linear = encoders.get(names[0], {}).get("linear")
            value, reason = (None, "none is known") if linear is None else (linear / 100, None)
            yield Cell(value, reason=reason, seeds=0)


def _notes(recipe: BenchmarkTable, scope: _Scope, protocols: Sequence[str]) -> tuple[str, ...]:
    notes = ["Values in percent, but for the number of clusters used."]
    if scope.published:
        notes.append(
            f"Published: {PAPER_TITLES[PAPER]}, {recipe.table}: mean ± standard deviation of 5 runs."
        )
        if AS_PUBLISHED in protocols:
            notes.append("As published: the protocol `published`, which does what the reference code did.")
        else:
            notes.append(
                "Clean numbers come from another protocol than the published ones and are no reproduction of "
                "them: that takes runs with `protocol: published`."
            )
        notes += recipe.notes
    if recipe.linear is not None:
        notes.append("Linear quoted: as the paper prints it; in rows that it does not have, the catalogue.")
    seeds = scope.rows.drop_duplicates(["run", "encoder_seed", "seed"]).groupby("run").size()
    number = f"{int(seeds.iloc[0])} seeds" if seeds.nunique() == 1 and seeds.iloc[0] > 1 else "seeds"
    notes.append("Ours: one seed." if seeds.max() == 1 else f"Ours: mean ± standard deviation over {number}.")
    notes.append("Bold: best of its group of rows; †: less than one standard deviation of the best below it.")
    return (*notes, COMPANION_NOTE)
