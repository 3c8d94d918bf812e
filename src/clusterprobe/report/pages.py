"""The frame of every HTML page of the report: one file, no network, no scripts."""

from __future__ import annotations

from html import escape

_STYLE = """
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.5rem; max-width: 76rem; background: #fff; color: #1b1f24;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0 0 .75rem; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
a { color: #005a94; }
.scroll { overflow-x: auto; margin: 0 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums;
  border-top: 2px solid #1b1f24; border-bottom: 2px solid #1b1f24; }
caption { text-align: left; font-weight: 600; padding: 0 0 .5rem; }
th, td { padding: .25rem .6rem; text-align: right; vertical-align: bottom; white-space: nowrap; }
thead th { border-bottom: 1px solid #1b1f24; font-weight: 600; white-space: normal; }
th.label, td.label { text-align: left; font-weight: 400; }
thead th.label { font-weight: 600; }
th.group { text-align: left; font-style: italic; font-weight: 400; padding-top: .75rem; }
tr.total th, tr.total td { border-top: 1px solid #1b1f24; font-weight: 600; }
.repeat { color: #6a737d; }
.mark { display: inline-block; width: .6em; text-align: left; }
.best { font-weight: 700; }
.note { color: #4d555e; font-size: .9em; }
.note { max-width: 60rem; margin: .5rem 0 0; }
code { font-size: .92em; overflow-wrap: anywhere; }
"""


def page(title: str, body: str, style: str = "") -> str:
    """Return a complete page; `title` is plain text, `body` and `style` are used as they are."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def text(value: object) -> str:
    """Return `value` as literal text, safe in elements and in quoted attributes."""
    return escape(str(value), quote=True)


def simple_table(
    headers: list[str], rows: list[list[str]], *, labels: int = 1, caption: str = "", total: bool = False
) -> str:
    """Return a table of plain texts. The first `labels` columns hold words, the others numbers.

    `total` sets off the last row.
    """
    aligned = [' class="label"' if position < labels else "" for position in range(len(headers))]
    head = "".join(
        f'<th scope="col"{form}>{text(name)}</th>' for form, name in zip(aligned, headers, strict=True)
    )
    lines = []
    for number, row in enumerate(rows):
        last = ' class="total"' if total and number == len(rows) - 1 else ""
        cells = [f"<td{form}>{text(value)}</td>" for form, value in zip(aligned, row, strict=True)]
        cells[0] = f'<th scope="row" class="label">{text(row[0])}</th>'
        lines.append(f"<tr{last}>{''.join(cells)}</tr>")
    title = f"<caption>{text(caption)}</caption>\n" if caption else ""
    body = "\n".join(lines)
    return (
        f'<div class="scroll"><table>\n{title}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )
