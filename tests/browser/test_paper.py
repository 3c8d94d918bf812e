"""The PDF of a finished run, page by page, and every table in a document of its own, made by a real LaTeX."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from project import Project

PROGRAMS = ("pdflatex", "pdftoppm", "pdftotext", "pdffonts")
ALONE = r"""\documentclass{article}\usepackage{booktabs}
\begin{document}\input{TABLE}\end{document}
"""


@pytest.fixture(autouse=True, scope="module")
def latex() -> None:
    """Skips without LaTeX, or fails where it has to be there."""
    if missing := [name for name in PROGRAMS if not shutil.which(name)]:
        reason = f"no LaTeX here, missing: {', '.join(missing)} (make ci-deps installs it)"
        pytest.fail(reason) if os.environ.get("REQUIRE_LATEX") == "1" else pytest.skip(reason)


def said(*command: str, folder: Path) -> str:
    """Run a program and return what it printed."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def ink(png: Path) -> float:
    """Return the share of a page that is not white."""
    with Image.open(png) as image:
        return float((np.asarray(image.convert("L")) < 250).mean())


@pytest.mark.latex
def test_paper_holds_every_table_and_figure(finished: Project, tmp_path: Path, shots: Path) -> None:
    project = finished.copy(tmp_path / "project")
    project.run("paper")
    pdf = project.one("reports/tiny/paper.pdf")
    shots.mkdir(parents=True, exist_ok=True)
    for old in shots.glob("paper-*.png"):
        old.unlink()
    said("pdftoppm", "-r", "70", "-png", str(pdf), str(shots / "paper"), folder=tmp_path)
    pages = sorted(shots.glob("paper-*.png"))
    assert len(pages) >= 2
    assert all(ink(page) > 0.005 for page in pages)
    text = " ".join(said("pdftotext", "-layout", str(pdf), "-", folder=tmp_path).split())
    assert "Tiny pictures" in text
    tables, figures = (project.found(f"reports/tiny/{kind}") for kind in ("tables/*.tex", "figures/*.pdf"))
    assert [f"Table {number}:" in text for number in range(1, len(tables) + 2)] == [True] * len(tables) + [
        False
    ]
    assert [f"Figure {number}:" in text for number in range(1, len(figures) + 2)] == [True] * len(figures) + [
        False
    ]
    assert "??" not in text, "no reference without a target"
    fonts = said("pdffonts", str(pdf), folder=tmp_path).splitlines()[2:]
    assert fonts
    assert not [font for font in fonts if "Type 3" in font], "fonts that a printer can use"


@pytest.mark.latex
def test_tables_compile_alone(finished: Project, tmp_path: Path) -> None:
    tables = finished.found("reports/tiny/tables/*.tex")
    assert tables
    for table in tables:
        shutil.copy2(table, tmp_path)
        (tmp_path / "alone.tex").write_text(ALONE.replace("TABLE", table.name), encoding="utf-8")
        log = said("pdflatex", "-halt-on-error", "-interaction=nonstopmode", "alone.tex", folder=tmp_path)
        assert "Missing character" not in log
        said("pdftoppm", "-r", "50", "-png", "alone.pdf", table.stem, folder=tmp_path)
        assert ink(tmp_path / f"{table.stem}-1.png") > 0.002
