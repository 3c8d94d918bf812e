from __future__ import annotations

import csv
import io
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.clustering_tables import RECIPES
from clusterprobe.report.kmeans_tables import KMEANS_TABLES
from clusterprobe.report.table_builders import TABLES, build_table
from clusterprobe.report.table_formats import render, save_table
from clusterprobe.report.tables import Cell, Column, Row, Table

NASTY = r"[a]_b & 100% #1 {x} $y$ \textbf <i>--ü~^ ± 漢"


def small(*cells: Cell, label: str = "SimCLR") -> Table:
    rows = tuple(Row((label, str(number)), (cell,), "digits") for number, cell in enumerate(cells))
    columns = (Column("AMI", "ami", spread=True, compared=True),)
    return Table("small", "A small table", ("Encoder", "Row"), columns, rows, ("A note.",))


class Texts(HTMLParser):
    """Collect elements and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_best_is_bold_and_ties_are_marked_in_both_layouts() -> None:
    rendered = render(small(Cell(0.853, 0.012), Cell(0.845, 0.001), Cell(0.5, 0.01)))
    assert r"\textbf{85.3} $\pm$ 1.2 \\" in rendered.tex
    assert r"84.5 $\pm$ 0.1\rlap{$^{\dagger}$} \\" in rendered.tex
    assert '<strong class="best">85.3</strong> ± 1.2' in rendered.html
    assert '84.5 ± 0.1<sup class="mark">†</sup>' in rendered.html
    assert rendered.html.count("<strong") == rendered.tex.count(r"\textbf") == 1
    assert rendered.html.count("†") == 1


def test_one_seed_prints_no_deviation() -> None:
    rendered = render(small(Cell(0.853, float("nan"))))
    assert "±" not in rendered.html
    assert r"\pm" not in rendered.tex


def test_minus_signs_are_typeset() -> None:
    rendered = render(small(Cell(-0.012, 0.001)))
    assert "$-$1.2" in rendered.tex
    assert "−1.2" in rendered.html
    assert "-0.012" in rendered.csv


def test_csv_holds_unrounded_numbers() -> None:
    rows = list(csv.DictReader(io.StringIO(render(small(Cell(1 / 3, 0.1 + 0.2, seeds=5))).csv)))
    assert float(rows[0]["ami"]) == 1 / 3
    assert float(rows[0]["ami_std"]) == 0.1 + 0.2
    assert rows[0]["n_seeds"] == "5"
    assert rows[0]["encoder"] == "SimCLR"


def test_a_reason_becomes_a_dash_with_a_footnote() -> None:
    rendered = render(small(Cell(None, reason="the images carry no labels"), Cell(0.5)))
    assert rendered.html.count("the images carry no labels") == 1
    assert r"\textsuperscript{a}~the images carry no labels." in rendered.tex
    assert "ami: the images carry no labels" in rendered.csv


def test_dashes_with_one_reason_share_a_mark_and_the_table_says_so() -> None:
    columns = tuple(Column(name, name) for name in ("A", "B", "C", "D"))
    cells = (Cell(None, reason="one"), Cell(0.5), Cell(None, reason="one"), Cell(None, reason="two"))
    rendered = render(Table("t", "T", ("Row",), columns, (Row(("x",), cells),)))
    assert rendered.html.count('<sup class="mark">a</sup>') == 1
    assert rendered.html.count('<sup class="mark">b</sup>') == 1
    assert rendered.html.count("–</span>") == 3
    assert r"x & --\rlap{\textsuperscript{a}} & 50.0 & -- & --\rlap{\textsuperscript{b}} \\" in rendered.tex
    for text in (rendered.html, rendered.tex):
        assert "A mark at a dash holds for the dashes to its right." in text
    assert "holds for the dashes" not in render(small(Cell(None, reason="one"))).tex


def test_marks_go_on_after_z() -> None:
    rendered = render(small(*(Cell(None, reason=f"reason {number}") for number in range(28))))
    for mark, number in (("a", 0), ("z", 25), ("aa", 26), ("ab", 27)):
        assert rf"--\rlap{{\textsuperscript{{{mark}}}}}" in rendered.tex
        assert rf"\textsuperscript{{{mark}}}~reason {number}." in rendered.tex
        assert f'<sup class="mark">{mark}</sup>' in rendered.html
        assert f"<sup>{mark}</sup> reason {number}." in rendered.html


def test_a_table_of_labels_alone_renders() -> None:
    rendered = render(Table("t", "T", ("Operation", "Interval"), (), (Row(("rotate", "−30 to 30"), ()),)))
    assert r"rotate & $-$30 to 30 \\" in rendered.tex
    assert ">−30 to 30</th>" in rendered.html


def test_long_headers_break_before_their_last_word() -> None:
    column = Column("Train images published", "n", "count")
    rendered = render(Table("t", "T", ("Row",), (column,), (Row(("x",), (Cell(5.0),)),)))
    assert r"\shortstack[r]{Train images\\published}" in rendered.tex


def test_an_empty_cell_stops_rendering(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("t.tex", "t.html", "t.csv")]
    with pytest.raises(UserError, match="row 'digits / SimCLR / 0', column 'AMI'"):
        save_table(small(Cell(None)), *paths)
    assert not any(path.exists() for path in paths)


def test_names_are_text_in_html() -> None:
    page = render(small(Cell(0.5), label=NASTY)).html
    parsed = Texts(page)
    assert NASTY in parsed.texts
    assert "i" not in parsed.tags


def test_the_page_is_accessible_and_needs_no_network(results: pd.DataFrame) -> None:
    page = render(build_table("clustering", results)).html
    assert '<html lang="en">' in page
    assert "<caption>" in page
    assert page.count('scope="row"') == 12 * 2
    assert "<script" not in page
    assert "http" not in page


def test_equal_results_give_equal_bytes(results: pd.DataFrame) -> None:
    first, second = (render(build_table("clustering", results)) for _ in range(2))
    assert first == second


OF_THEIR_OWN = {
    "confusions",
    "probes",
    "criteria",
    "attribution",
    "long-tail",
    "kmeans-table-1",
    *KMEANS_TABLES,
}
"""Made from other rows, and compiled where these are."""


@pytest.mark.latex
@pytest.mark.parametrize("name", [*(name for name in TABLES if name not in OF_THEIR_OWN), "nasty"])
def test_the_tabular_compiles_alone(
    name: str,
    results: pd.DataFrame,
    scan_results: pd.DataFrame,
    mmdc_results: pd.DataFrame,
    compiles_alone: Callable[[Table], bool],
) -> None:
    default = results[results["variant"] == "default"]
    frame = pd.concat([results, default.assign(variant="whitened")])
    if name not in RECIPES:
        shown = mmdc_results if name.startswith("mmdc") else scan_results
        frame = shown.assign(dataset="cifar10", fit_dataset="cifar10")
    facts = [{"name": "cifar10", "splits": {"train": 50000, "test": 10000}, "classes": 10, "side": 32}]
    options = {"published_as": {"cifar10": "CIFAR10"}, "facts": facts}
    nasty = small(Cell(0.5, 0.1), Cell(None, reason=NASTY), label=NASTY)
    table = nasty if name == "nasty" else build_table(name, frame, {"digits": 10, "cifar10": 10}, **options)
    assert compiles_alone(table)
