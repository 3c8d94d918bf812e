"""Snakemake's report of a finished run in a browser without network, through all that it holds."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from browser import Page
from PIL import Image
from project import REPOSITORY, Project

CATEGORIES = {
    "Overview": ["cost.html", "overview.html"],
    "Tables": ["tables/*.html"],
    "Figures": ["figures/*.png"],
    "Galleries": ["galleries/*.html"],
}
LABELS = {
    "Overview": {"page": ["cost", "overview"]},
    "Tables": {"table": ["clustering", "overclustering"]},
    "Galleries": {"encoder": ["simclr"], "method": ["k-means"]},
}


@pytest.fixture
def report(page: Page, finished: Project) -> Page:
    """The report, opened; the error of a promise counts, too."""
    page.open(finished.one("reports/tiny/report.html"))
    page.wait_until(
        "typeof app !== 'undefined' && document.querySelector('nav, #app').innerText.length > 100"
    )
    return page


def files(project: Project, category: str) -> list[str]:
    """Return the files of one category, as the report names them."""
    found = [path for pattern in CATEGORIES[category] for path in project.found(f"reports/tiny/{pattern}")]
    return sorted(str(path.relative_to(project.folder)) for path in found)


def caption(file: str) -> str:
    """Return the first sentence of the caption that a file was given, in words."""
    kind, name = (
        {"tables": "table", "figures": "figure", "galleries": "gallery"}.get(Path(file).parts[-2], "page"),
        Path(file).stem,
    )
    name = {"gallery": "clusters", "page": "overview"}.get(kind, name)
    text = (REPOSITORY / f"workflow/report/{kind}-{name}.rst").read_text(encoding="utf-8")
    return " ".join(re.sub(r"[*`]", "", text.partition(".")[0]).split())


def words(page: Page) -> str:
    return " ".join(page.run("document.body.innerText").split())


def enter(page: Page, category: str) -> None:
    """Go to a category from the first page of the menu, as a person does."""
    page.run("app.setView({navbarMode: 'menu'})")
    click = (
        f"[...document.querySelectorAll('a')].find(link => link.innerText.trim() === {json.dumps(category)})"
    )
    page.wait_until(f"!!{click}")
    page.run(f"{click}.click()")
    page.wait_until("!!document.querySelector('tbody tr')")


def press(page: Page, row: int, button: int) -> None:
    """Press the eye (0) or the i (1) of a result."""
    page.run(f"document.querySelectorAll('tbody tr')[{row}].querySelectorAll('a')[{button}].click()")


def test_first_page_names_the_experiment_and_every_category(
    report: Page, finished: Project, shots: Path
) -> None:
    report.screenshot(shots / "report.png")
    held: dict[str, dict[str, list[str]]] = report.run("categories")
    assert {name: sorted(paths) for name, inner in held.items() for paths in inner.values()} == {
        category: files(finished, category) for category in CATEGORIES
    }
    text = words(report)
    assert not [category for category in CATEGORIES if category not in text]
    assert "tiny turned the images of pictures into features" in text


@pytest.mark.parametrize("category", CATEGORIES)
def test_results_have_labels_captions_and_contents(
    report: Page, finished: Project, shots: Path, category: str
) -> None:
    results: dict[str, dict[str, Any]] = report.run("results")
    enter(report, category)
    report.screenshot(shots / f"report-{category.lower()}.png")
    rows = report.run("[...document.querySelectorAll('tbody tr')].map(row => row.cells[0].innerText.trim())")
    heads = report.run("[...document.querySelectorAll('th')].map(head => head.textContent.trim())")
    own = files(finished, category)
    assert len(rows) == len(own)
    for name, values in LABELS.get(category, {"figure": [Path(file).stem for file in own]}).items():
        assert name in heads
        assert [results[file]["labels"][name] for file in own] == values
    for row, file in enumerate(own):
        enter(report, category)
        press(report, row, 0)
        check_content(report, finished.folder / file, results[file])
        press(report, row, 1)
        report.wait_until("document.body.innerText.includes('DESCRIPTION')")
        assert caption(file) in words(report)
        report.screenshot(shots / f"report-{category.lower()}-{Path(file).stem}.png")


def check_content(page: Page, file: Path, result: dict[str, Any]) -> None:
    """Wait until a result is shown: the very file, and every image in it."""
    assert base64.b64decode(result["data_uri"].partition("base64,")[2]) == file.read_bytes()
    widths = "[...document.images].filter(image => image.naturalWidth > 0).map(image => image.naturalWidth)"
    if file.suffix == ".png":
        with Image.open(file) as image:
            page.wait_until(f"{widths}.includes({image.width})")
        return
    title = re.findall("<title>(.*?)</title>", file.read_text(encoding="utf-8"))[0]
    page.wait_in_frames(f"document.title === {json.dumps(title)} && document.readyState === 'complete'")
    images = file.read_text(encoding="utf-8").count("<img ")
    assert max(page.run_in_frames(f"{widths}.length")) >= images
