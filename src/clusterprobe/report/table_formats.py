"""One table in three formats: LaTeX for the paper, HTML for the report, CSV with the raw numbers."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from clusterprobe.report.latex import escape_latex
from clusterprobe.report.pages import page, text
from clusterprobe.report.tables import (
    Cell,
    Column,
    Mark,
    Row,
    Table,
    check,
    format_mean,
    format_spread,
    marks,
)
from clusterprobe.store.atomic import write_text


@dataclass(frozen=True)
class Rendered:
    """The three twins of a table."""

    tex: str
    html: str
    csv: str


def render(table: Table) -> Rendered:
    """Return `table` in all formats.

    Raises UserError that names row and column of a cell with neither a value nor a reason for having none.
    """
    check(table)
    return Rendered(_to_latex(table), _to_html(table), _to_csv(table))


def save_table(table: Table, tex: Path, html: Path, csv: Path) -> None:
    """Write the three formats of `table`."""
    rendered = render(table)
    write_text(tex, rendered.tex)
    write_text(html, rendered.html)
    write_text(csv, rendered.csv)


def _reasons(table: Table) -> list[str]:
    """Return the reasons for empty cells, in the order in which they appear: that of their footnotes."""
    cells = [cell for _, rows in table.groups() for row in rows for cell in row.cells]
    return list(dict.fromkeys(cell.reason for cell in cells if cell.empty and cell.reason))


def _footnote(reasons: list[str], cell: Cell) -> str:
    return _mark(reasons.index(cell.reason or ""))


def _mark(number: int) -> str:
    """Return the mark of a footnote, counted from 0: a, b, ..., z, aa, ab, ..."""
    before, letter = divmod(number, 26)
    return (_mark(before - 1) if before else "") + chr(ord("a") + letter)


def _first_dashes(row: Row) -> list[bool]:
    """Return for each cell whether it is a dash with another reason than the dash before it in its row."""
    found, last = [], None
    for cell in row.cells:
        found.append(cell.empty and cell.reason != last)
        last = cell.reason if cell.empty else last
    return found


def _notes(table: Table) -> list[str]:
    """Return the notes of a table, and how to read its dashes where several share one mark."""
    shared = any(
        cell.empty and not first
        for row in table.rows
        for cell, first in zip(row.cells, _first_dashes(row), strict=True)
    )
    return [*table.notes, *(["A mark at a dash holds for the dashes to its right."] if shared else [])]


def _repeats(rows: list[Row]) -> list[int]:
    """Return for each row how many leading labels are those of the row above it."""
    counts = [0]
    for above, row in pairwise(rows):
        same = [left == right for left, right in zip(above.labels, row.labels, strict=True)]
        counts.append(same.index(False) if False in same else len(same) - 1)
    return counts


# LaTeX


def _to_latex(table: Table) -> str:
    labels, width = len(table.label_headers), len(table.label_headers) + len(table.columns)
    reasons = _reasons(table)
    header = [escape_latex(name) for name in table.label_headers]
    header += [_latex_header(column.header) for column in table.columns]
    lines = [
        f"% {escape_latex(table.title)}. Needs booktabs; \\fittable may be defined to shrink wide tables.",
        r"\providecommand{\fittable}[1]{#1}%",
        r"\begingroup\footnotesize",
        r"\fittable{\begin{tabular}{@{}" + "l" * labels + "r" * len(table.columns) + "@{}}",
        r"\toprule",
        " & ".join(header) + r" \\",
    ]
    for heading, rows in table.groups():
        lines.append(r"\midrule")
        if heading:
            lines.append(rf"\multicolumn{{{width}}}{{@{{}}l}}{{\emph{{{escape_latex(heading)}}}}} \\")
        lines += _latex_rows(table, rows, reasons)
    lines += [r"\bottomrule", r"\end{tabular}}"]
    notes = [escape_latex(note) for note in _notes(table)]
    notes += [
        rf"\textsuperscript{{{_mark(number)}}}~{escape_latex(reason)}."
        for number, reason in enumerate(reasons)
    ]
    if notes:
        notes_text = " ".join(notes)
        lines += [
            r"\par\smallskip",
            r"\begin{minipage}{\linewidth}\scriptsize",
            notes_text,
            r"\end{minipage}",
        ]
    return "\n".join([*lines, r"\endgroup", ""])


def _latex_header(header: str) -> str:
    words = [escape_latex(word) for word in header.rsplit(" ", 1)]
    return words[0] if len(words) == 1 else r"\shortstack[r]{" + r"\\".join(words) + "}"


def _latex_rows(table: Table, rows: list[Row], reasons: list[str]) -> list[str]:
    columns = [marks(rows, position, column) for position, column in enumerate(table.columns)]
    lines: list[str] = []
    repeats = _repeats(rows)
    for number, (row, repeated) in enumerate(zip(rows, repeats, strict=True)):
        if number and not repeated and any(repeats):
            lines.append(r"\addlinespace[2pt]")
        fields = [
            "" if position < repeated else escape_latex(label) for position, label in enumerate(row.labels)
        ]
        first = _first_dashes(row)
        for position, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            mark = _footnote(reasons, cell) if first[position] else ""
            fields.append(_latex_cell(cell, column, columns[position][number], mark))
        lines.append(" & ".join(fields) + r" \\")
    return lines


def _latex_cell(cell: Cell, column: Column, mark: Mark, footnote: str) -> str:
    if cell.empty:
        return rf"--\rlap{{\textsuperscript{{{footnote}}}}}" if footnote else "--"
    spread = format_spread(cell, column)
    mean = format_mean(cell, column).replace("-", "$-$")
    mean = rf"\textbf{{{mean}}}" if mark == "best" else mean
    printed = rf"{mean} $\pm$ {spread}" if spread else mean
    return printed + (r"\rlap{$^{\dagger}$}" if mark == "tie" else "")


# HTML


def _to_html(table: Table) -> str:
    reasons = _reasons(table)
    head = "".join(f'<th scope="col" class="label">{text(name)}</th>' for name in table.label_headers)
    head += "".join(f'<th scope="col">{text(column.header)}</th>' for column in table.columns)
    bodies = [_html_group(table, heading, rows, reasons) for heading, rows in table.groups()]
    notes = [f'<p class="note">{text(note)}</p>' for note in _notes(table)]
    notes += [
        f'<p class="note"><sup>{_mark(number)}</sup> {text(reason)}.</p>'
        for number, reason in enumerate(reasons)
    ]
    body = "\n".join(
        [
            f'<div class="scroll"><table>\n<caption>{text(table.title)}</caption>',
            f"<thead><tr>{head}</tr></thead>",
            *bodies,
            "</table></div>",
            *notes,
        ]
    )
    return page(table.title, body)


def _html_group(table: Table, heading: str, rows: list[Row], reasons: list[str]) -> str:
    columns = [marks(rows, position, column) for position, column in enumerate(table.columns)]
    width = len(table.label_headers) + len(table.columns)
    lines = ["<tbody>"]
    if heading:
        lines.append(f'<tr><th class="group" scope="rowgroup" colspan="{width}">{text(heading)}</th></tr>')
    for number, (row, repeated) in enumerate(zip(rows, _repeats(rows), strict=True)):
        fields = [
            f'<th scope="row" class="label{" repeat" if position < repeated else ""}">{text(label)}</th>'
            for position, label in enumerate(row.labels)
        ]
        first = _first_dashes(row)
        for position, (column, cell) in enumerate(zip(table.columns, row.cells, strict=True)):
            mark = _footnote(reasons, cell) if first[position] else ""
            fields.append(f"<td>{_html_cell(cell, column, columns[position][number], mark)}</td>")
        lines.append(f"<tr>{''.join(fields)}</tr>")
    return "\n".join([*lines, "</tbody>"])


def _html_cell(cell: Cell, column: Column, mark: Mark, footnote: str) -> str:
    if cell.empty:
        return f'<span aria-label="no value">–</span><sup class="mark">{footnote}</sup>'
    spread = format_spread(cell, column)
    mean = format_mean(cell, column).replace("-", "−")
    mean = f'<strong class="best">{mean}</strong>' if mark == "best" else mean
    printed = f"{mean} ± {spread}" if spread else mean
    return f'{printed}<sup class="mark">{"†" if mark == "tie" else ""}</sup>' if column.compared else printed


# CSV


def _to_csv(table: Table) -> str:
    """Return the unrounded numbers: labels, then mean and std of every metric, then why any is missing."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    metrics = [column.metric for column in table.columns]
    names = [name for metric in metrics for name in (metric, f"{metric}_std")]
    writer.writerow(["group", *(name.lower() for name in table.label_headers), *names, "n_seeds", "missing"])
    for row in table.rows:
        values = [value for cell in row.cells for value in (_raw(cell.mean), _raw(cell.std))]
        reasons = [
            f"{metric}: {cell.reason}" for metric, cell in zip(metrics, row.cells, strict=True) if cell.empty
        ]
        seeds = max((cell.seeds for cell in row.cells), default=0)
        writer.writerow([row.group, *row.labels, *values, seeds, "; ".join(reasons)])
    return out.getvalue()


def _raw(value: float | None) -> str:
    return repr(float(value)) if value is not None and math.isfinite(value) else ""
