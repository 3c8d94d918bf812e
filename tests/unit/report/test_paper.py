from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure, save_figure
from clusterprobe.report.paper import Exhibit, compile_paper, write_paper
from clusterprobe.report.table_builders import build_table
from clusterprobe.report.table_formats import save_table


def test_titles_and_captions_are_escaped() -> None:
    tex = write_paper("A & B", "50% done", [Exhibit("tables/a.tex", "a_b ± c")], [])
    assert r"\title{A \& B}" in tex
    assert r"50\% done" in tex
    assert r"\caption{a\_b $\pm$ c}" in tex
    assert r"\input{tables/a.tex}" in tex


def test_a_path_that_latex_cannot_read_is_an_error() -> None:
    with pytest.raises(UserError, match="without spaces"):
        write_paper("A", "B", [Exhibit("my tables/a.tex", "c")], [])


def test_without_pdflatex_the_message_names_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="texlive-latex-base texlive-latex-recommended lmodern"):
        compile_paper(tmp_path / "paper.tex", tmp_path / "paper.pdf")


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_paper_compiles_to_the_same_bytes_anywhere(results: pd.DataFrame, tmp_path: Path) -> None:
    made = []
    for folder in (tmp_path / "one", tmp_path / "two"):
        tables = [folder / "tables" / f"clustering.{suffix}" for suffix in ("tex", "html", "csv")]
        save_table(build_table("clustering", results), *tables)
        figure = draw_figure("acc-by-method", results)
        save_figure(figure, folder / "figures" / "a.pdf", folder / "figures" / "a.png")
        tex = folder / "paper.tex"
        exhibits = [Exhibit("tables/clustering.tex", "T")], [Exhibit("figures/a.pdf", "F")]
        tex.write_text(write_paper("Digits", "All of it.", *exhibits), encoding="utf-8")
        compile_paper(tex, folder / "paper.pdf")
        made.append((folder / "paper.pdf").read_bytes())
    assert made[0] == made[1]
    assert made[0].startswith(b"%PDF")
    assert not list((tmp_path / "one").glob("*.log")), "auxiliary files stay in the temporary folder"


@pytest.mark.latex
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_a_complaint_of_latex_is_passed_on(tmp_path: Path) -> None:
    tex = tmp_path / "paper.tex"
    tex.write_text(r"\documentclass{article}\begin{document}\nonsense\end{document}", encoding="utf-8")
    with pytest.raises(UserError, match="Undefined control sequence"):
        compile_paper(tex, tmp_path / "paper.pdf")
    tex.write_text(
        "\\documentclass{article}\n\\usepackage{nosuchpackage}\n\\begin{document}\n", encoding="utf-8"
    )
    with pytest.raises(UserError, match=r"apt-get install(.|\n)*nosuchpackage"):
        compile_paper(tex, tmp_path / "paper.pdf")
