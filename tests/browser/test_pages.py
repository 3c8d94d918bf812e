"""The pages of a finished run in a browser without network: everything is there and nothing goes wrong."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from browser import Page
from project import CLASSES, Project

IMAGES = "[...document.images].map(image => image.complete && image.naturalWidth)"
PAGES = {
    "overview": "overview.html",
    "cost": "cost.html",
    "clustering": "tables/clustering.html",
    "over-clustering": "tables/overclustering.html",
    "gallery": "galleries/*.html",
}


def show(page: Page, project: Project, which: str, shots: Path) -> str:
    """Open a page, keep a picture of it, check what holds for every page, and return its text."""
    page.open(project.one(f"reports/tiny/{PAGES[which]}"))
    page.screenshot(shots / f"{which}.png")
    assert page.run("document.title")
    assert page.run("document.characterSet") == "UTF-8"
    assert page.run("document.documentElement.lang") == "en"
    assert page.run("document.documentElement.scrollWidth <= innerWidth"), "fits the window"
    assert page.run("document.scripts.length") == 0
    text = page.run("document.body.innerText")
    assert not [word for word in ("nan", "None", "undefined", "{{") if word in text.split()]
    return str(text)


def tables(page: Page) -> list[list[list[str]]]:
    """Return the texts of all cells of all tables, row by row."""
    rows = "[...table.rows].map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    found: list[list[list[str]]] = page.run(f"[...document.querySelectorAll('table')].map(table => {rows})")
    return found


def test_overview_says_what_was_asked_and_what_came_out(page: Page, finished: Project, shots: Path) -> None:
    text = show(page, finished, "overview", shots)
    headings = page.run("[...document.querySelectorAll('h1, h2')].map(heading => heading.innerText)")
    assert headings == ["Tiny pictures", "What was asked", "What came out", "Where it comes from"]
    images, encoders, packages = tables(page)
    rows = [
        json.loads(finished.one(f"data/manifests/*/{s}.json").read_text())["rows"] for s in ("train", "test")
    ]
    assert images[1] == ["pictures", f"train {rows[0]}, test {rows[1]}", "3", "0"]
    assert [row[0] for row in encoders[1:]] == ["pixels", "simclr"]
    assert "torch" in [row[0] for row in packages]
    assert "pictures, test split: ACC" in text


def test_cost_has_a_row_for_every_stage(page: Page, finished: Project, shots: Path) -> None:
    show(page, finished, "cost", shots)
    [[_, *stages, total]] = tables(page)
    measured = {path.relative_to(finished.folder).parts[2] for path in finished.found("data/benchmarks/**/*")}
    of_this_report = {"write_overview", "make_table", "draw_figure", "draw_prototypes", "collect_results"}
    assert {row[0] for row in stages} | of_this_report == measured
    assert total[0] == "All stages"
    assert int(total[1]) == sum(int(row[1]) for row in stages)


@pytest.mark.parametrize("which", ["clustering", "over-clustering"])
def test_table_shows_what_its_csv_twin_holds(page: Page, finished: Project, shots: Path, which: str) -> None:
    show(page, finished, which, shots)
    [rows] = tables(page)
    with finished.one(f"reports/tiny/{PAGES[which].replace('.html', '.csv')}").open(
        encoding="utf-8"
    ) as handle:
        twin = list(csv.DictReader(handle))
    shown = [row for row in rows[1:] if len(row) > 1]
    assert [row[:2] for row in shown] == [[row["encoder"], row["method"]] for row in twin]
    assert [row[2].split()[0] for row in shown] == [f"{100 * float(row['acc']):.1f}" for row in twin]
    assert all(len(row) == len(rows[0]) and all(row) for row in shown)
    assert {row[0] for row in rows if len(row) == 1} == {row["group"] for row in twin}
    assert page.run("document.querySelector('caption').innerText")
    assert page.run("document.querySelectorAll('.note').length") >= 2


def test_gallery_shows_every_image_with_its_class(page: Page, finished: Project, shots: Path) -> None:
    show(page, finished, "gallery", shots)
    widths = page.run(IMAGES)
    assert len(widths) >= 3 * 3
    assert all(widths)
    assert len(page.run("[...document.querySelectorAll('h2')].map(h => h.innerText)")) == 3
    captions = page.run("[...document.querySelectorAll('.row li')].map(item => item.textContent.trim())")
    assert len(captions) == len(widths)
    assert set(captions) == set(CLASSES), "special characters are text, not tags"
    alternatives = page.run("[...document.images].filter(image => image.alt).length")
    assert alternatives == len(widths)
    page.run("document.querySelector('a[href^=\"#\"]').click()")
    assert page.run("!!document.querySelector(location.hash)")
