"""The tables of a paper: what it printed beside what came out here.

A table is declared as data, one `Line` per row; `build_paper_table` looks up both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import ACCURACIES, COMPANIONS, metric_title
from clusterprobe.report.our_cells import Classes, Place, Wanted, find_encoder, our_cells, places
from clusterprobe.report.published import PAPER_TITLES, published, published_cell
from clusterprobe.report.selection import DEFAULT
from clusterprobe.report.tables import COMPANION_NOTE, Cell, Column, Row, Table, metric_column

PIPELINE = ("scan", "selflabel")
"""Methods that go on from a pretext encoder."""


@dataclass(frozen=True)
class Measure:
    """A pair of columns: our metric, and how the paper calls it; which of its protocols, if it has several.

    `title` stands over the columns, the name in the paper if not given.
    """

    metric: str
    published: str
    protocol: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class Line:
    """A row: where to find its published numbers (`published`: method in the CSV), and ours (`method`, ...).

    `encoders`: readable names of which the first that has runs counts; none: the pretext of the table.
    `factor`: clusters per class. `metrics`: metrics that stand in for those of the columns. `lacks`: why a
    metric does not exist for this row. `section`: heading. `waits`: what a row without runs waits for.
    `best_run`: the run with the highest value of the first measure in place of the mean. `optional`: left out
    where there are neither runs nor published numbers. `variant_on`: the variant on some data sets, by their
    names in the paper. `suffix`: ending of the published metrics of this row.
    """

    labels: tuple[str, ...]
    published: str | None = None
    method: str | None = None
    variant: str = DEFAULT
    encoders: tuple[str, ...] = ()
    factor: float = 1
    metrics: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    section: str = ""
    waits: str = ""
    best_run: bool = False
    optional: bool = False
    compared: bool = True
    variant_on: Mapping[str, str] = field(default_factory=dict)
    suffix: str = ""


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper: rows, measures, and sentences printed below.

    `published_notes` are printed if published numbers are. `per_pretext` are rows for each pretext encoder
    that no other row names, "{}" in a label is its name. `home` is the one data set (its name in the paper)
    that the table is about: it is shown as published even if there are no runs on it, and no other one is.
    `also_known_as`: what this table calls data sets that have another name in the rest of the paper.
    """

    paper: str
    table: str
    title: str
    headers: tuple[str, ...]
    measures: tuple[Measure, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()
    published_notes: tuple[str, ...] = ()
    per_pretext: tuple[Line, ...] = ()
    home: str | None = None
    also_known_as: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Found:
    """A row before it is known which columns are shown."""

    line: Line
    place: Place
    group: str
    theirs: tuple[Cell, ...]
    ours: tuple[Cell, ...]


def build_paper_table(
    name: str,
    recipe: PaperTable,
    results: pd.DataFrame,
    classes: Classes | None = None,
    published_as: Mapping[str, str] | None = None,
    pretext: str | None = None,
) -> Table:
    """Return a table of a paper with our results beside the published numbers.

    `published_as` gives the name that the paper uses for a data set of ours; without one, only our numbers
    are shown. `pretext` is the readable name of the encoder that SCAN goes on from; the first with runs
    if not given. Raises UserError if there is nothing to show.
    """
    numbers = published(recipe.paper)
    numbers = numbers[numbers["table"] == recipe.table]
    names = {ours: recipe.also_known_as.get(name, name) for ours, name in (published_as or {}).items()}
    known = places(results, classes or {}, names, set(numbers["dataset"]))
    if recipe.home:
        known = [place for place in known if place.published == recipe.home] or [Place(None, recipe.home)]
    found = [row for place in known for row in _rows_of(place, recipe, numbers, pretext)]
    theirs_shown = any(not cell.empty for row in found for cell in row.theirs)
    ours_shown = any(not cell.empty for row in found for cell in row.ours)
    if not theirs_shown and not ours_shown:
        methods = ", ".join(sorted({line.method for line in recipe.lines if line.method}))
        raise UserError(
            f"table {name!r} has nothing to show: the results hold no runs of {methods}; leave it out"
        )
    shown = [row for row in found if theirs_shown or row.line.method]
    uneven = len(_seed_counts(shown)) > 1
    rows = tuple(
        Row(
            (*row.line.labels, *([_seeds(row)] if uneven else [])),
            _cells(row, theirs_shown, ours_shown),
            row.group,
            row.line.compared,
        )
        for row in shown
    )
    headers = (*recipe.headers, *(["Seeds"] if uneven else []))
    columns = _columns(recipe.measures, theirs_shown, ours_shown)
    notes = _notes(recipe, shown, numbers, theirs_shown, ours_shown)
    return Table(name, recipe.title, headers, columns, rows, notes)


def _rows_of(
    place: Place, recipe: PaperTable, numbers: pd.DataFrame, pretext: str | None
) -> Iterator[_Found]:
    """Yield the rows of one data set; none if neither side has a number there."""
    pretexts = _pretexts(place)
    start = pretext or next(iter(pretexts), None)
    wanted = _wanted_metrics(recipe.measures)
    found = []
    for line in _all_lines(recipe, pretexts):
        encoder = find_encoder(place.rows, line.encoders) if line.encoders else start
        ours = _ours(place, line, encoder, wanted)
        filled = any(not cell.empty for cell in ours)
        theirs_too = place.published is not None and line.published is not None
        if (line.optional and not filled and not theirs_too) or not (line.method or place.published):
            continue
        theirs = tuple(_theirs(place, line, measure, numbers, recipe) for measure in recipe.measures)
        found.append(_Found(line, place, _heading(place, line, start), theirs, ours))
    if any(not cell.empty for row in found for cell in (*row.ours, *row.theirs)):
        yield from found


def _all_lines(recipe: PaperTable, pretexts: list[str]) -> Iterator[Line]:
    yield from recipe.lines
    if not recipe.per_pretext:
        return
    rows = pd.DataFrame({"encoder": pretexts})
    named = {find_encoder(rows, line.encoders) for line in recipe.lines if line.encoders}
    for pretext in pretexts:
        if pretext not in named:
            for line in recipe.per_pretext:
                labels = tuple(label.replace("{}", pretext) for label in line.labels)
                yield replace(line, labels=labels, encoders=(pretext,))


def _pretexts(place: Place) -> list[str]:
    rows = place.rows
    return [str(name) for name in rows.loc[rows["method"].isin(PIPELINE), "encoder"].unique()]


def _wanted_metrics(measures: tuple[Measure, ...]) -> tuple[str, ...]:
    """Return the metrics of our columns: those of the measures, and what accompanies an accuracy."""
    metrics = [measure.metric for measure in measures]
    companions = COMPANIONS if ACCURACIES & set(metrics) else ()
    return (*metrics, *(metric for metric in companions if metric not in metrics))


def _ours(place: Place, line: Line, encoder: str | None, wanted: tuple[str, ...]) -> tuple[Cell, ...]:
    if line.method is None:
        return tuple(Cell(None, reason="prior work, as published", seeds=0) for _ in wanted)
    asked = Wanted(
        " / ".join(line.labels),
        line.method,
        line.variant_on.get(place.published or "", line.variant),
        encoder,
        line.factor,
        tuple(line.metrics.get(metric, metric) for metric in wanted),
        {line.metrics.get(metric, metric): reason for metric, reason in line.lacks.items()},
        line.waits,
        line.best_run,
    )
    return our_cells(place, asked)


def _theirs(place: Place, line: Line, measure: Measure, numbers: pd.DataFrame, recipe: PaperTable) -> Cell:
    if place.published is None:
        return Cell(None, reason="a data set that the paper does not have", seeds=0)
    if line.published is None:
        return Cell(None, reason="a row that the paper does not have", seeds=0)
    rows = numbers[(numbers["dataset"] == place.published) & (numbers["method"] == line.published)]
    if rows.empty:
        return Cell(None, reason="not reported in the paper", seeds=0)
    rows = rows[rows["protocol"] == measure.protocol] if measure.protocol else rows
    where = f"{recipe.table}, {place.published}, {line.published}"
    return published_cell(rows, measure.published + line.suffix, where)


def _heading(place: Place, line: Line, pretext: str | None) -> str:
    if line.method is None or place.dataset is None:
        where = place.dataset or str(place.published)
    else:
        where = f"{place.dataset}, {place.split} split"
        where += f", pretext {pretext}" if pretext and not line.encoders else ""
    return f"{where}: {line.section}" if line.section else where


def _cells(row: _Found, theirs_shown: bool, ours_shown: bool) -> tuple[Cell, ...]:
    """Return the cells in the order of the columns: each published number beside ours, then companions."""
    cells: list[Cell] = []
    for theirs, ours in zip(row.theirs, row.ours, strict=False):
        cells += [theirs] if theirs_shown else []
        cells += [ours] if ours_shown else []
    return (*cells, *(row.ours[len(row.theirs) :] if ours_shown else ()))


def _columns(measures: tuple[Measure, ...], theirs_shown: bool, ours_shown: bool) -> tuple[Column, ...]:
    columns = []
    for measure in measures:
        if theirs_shown:
            title = measure.title or measure.published
            slug = title.lower().replace("-", "").replace(" ", "_")
            header = f"{title} published"
            columns.append(Column(header, f"published_{slug}", spread=True, compared=True))
        if ours_shown:
            title = metric_title(measure.metric)
            columns.append(metric_column(measure.metric, f"{title} ours" if theirs_shown else title))
    companions = _wanted_metrics(measures)[len(measures) :] if ours_shown else ()
    return (*columns, *(metric_column(metric) for metric in companions))


def _seed_counts(rows: list[_Found]) -> list[int]:
    """Return the numbers of seeds that rows of ours are means over, each once."""
    means = [row for row in rows if not row.line.best_run]
    return sorted({cell.seeds for row in means for cell in row.ours if not cell.empty})


def _seeds(row: _Found) -> str:
    counts = [cell.seeds for cell in row.ours if not cell.empty]
    return str(max(counts)) if counts else "–"


def _notes(
    recipe: PaperTable, rows: list[_Found], numbers: pd.DataFrame, theirs_shown: bool, ours_shown: bool
) -> tuple[str, ...]:
    notes = [
        "Values in percent, but for the number of clusters used." if ours_shown else "Values in percent."
    ]
    if theirs_shown:
        backbones = {name for name in numbers["backbone"] if name}
        with_backbone = f", {min(backbones)}" if len(backbones) == 1 else ""
        notes.append(f"Published: {PAPER_TITLES[recipe.paper]}, {recipe.table}{with_backbone}.")
        notes += recipe.published_notes
    counts = _seed_counts(rows)
    if ours_shown:
        number = f"over {counts[0]} seeds" if len(counts) == 1 else "over seeds"
        notes.append("Ours: one seed." if counts == [1] else f"Ours: mean ± standard deviation {number}.")
        notes.append(
            "Bold: best of its group of rows; †: less than one standard deviation of the best below it."
        )
        notes += [*recipe.notes, COMPANION_NOTE]
    else:
        waiting = dict.fromkeys(cell.reason for row in rows for cell in row.ours if row.line.method)
        notes += [f"Ours: {reason}." for reason in waiting]
    return tuple(notes)
