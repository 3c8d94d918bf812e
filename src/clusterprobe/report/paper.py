"""All tables and figures as one document."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clusterprobe.config.errors import UserError
from clusterprobe.report.latex import escape_latex
from clusterprobe.store.atomic import atomic_path

PACKAGES = "texlive-latex-base texlive-latex-recommended lmodern"
"""Debian packages that hold all that the document needs."""

_PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\pdfinfoomitdate=1 \pdftrailerid{} \pdfsuppressptexinfo=-1
\usepackage[T1]{fontenc}
\usepackage{lmodern}
\usepackage{booktabs}
\usepackage{graphicx}
\usepackage{xcolor}
\usepackage[font=small,labelfont=bf]{caption}
\usepackage[colorlinks,allcolors=blue!50!black]{hyperref}
\setlength{\oddsidemargin}{-0.2in}\setlength{\textwidth}{6.7in}
\setlength{\topmargin}{-0.4in}\setlength{\textheight}{9.6in}
\setlength{\parindent}{0pt}\setlength{\parskip}{4pt}
\setcounter{totalnumber}{6}\setcounter{topnumber}{4}\renewcommand{\topfraction}{.95}
\renewcommand{\textfraction}{.03}\renewcommand{\floatpagefraction}{.75}
% Material wider than the text is shrunk to it; nothing is enlarged.
\newsavebox{\widebox}
\newcommand{\fittable}[1]{\sbox{\widebox}{#1}%
  \ifdim\wd\widebox>\linewidth\resizebox{\linewidth}{!}{\usebox{\widebox}}\else\usebox{\widebox}\fi}
"""


@dataclass(frozen=True)
class Exhibit:
    """A table (.tex) or a figure (.pdf): its path as seen from the document, and its caption, plain text."""

    path: str
    caption: str


def write_paper(title: str, summary: str, tables: Sequence[Exhibit], figures: Sequence[Exhibit]) -> str:
    """Return a LaTeX document that inputs `tables` and includes `figures` under their captions."""
    lines = [
        _PREAMBLE + rf"\title{{{escape_latex(title)}}}",
        r"\author{}\date{}",
        r"\begin{document}",
        r"\maketitle",
        escape_latex(summary),
    ]
    for exhibit in tables:
        lines += [
            "",
            r"\begin{table}[htbp]\centering",
            rf"\caption{{{escape_latex(exhibit.caption)}}}",
            rf"\input{{{_plain_path(exhibit.path)}}}",
            r"\end{table}",
        ]
    for exhibit in figures:
        lines += [
            "",
            r"\begin{figure}[htbp]\centering",
            rf"\fittable{{\includegraphics{{{_plain_path(exhibit.path)}}}}}",
            rf"\caption{{{escape_latex(exhibit.caption)}}}",
            r"\end{figure}",
        ]
    return "\n".join([*lines, "", r"\end{document}", ""])


def compile_paper(tex: Path, pdf: Path) -> None:
    """Run pdflatex on `tex`, whose folder is where its paths start, and write `pdf`; same input, same bytes.

    Raises UserError that says what to install, or what LaTeX complained about.
    """
    program = shutil.which("pdflatex")
    if program is None:
        raise UserError(f"pdflatex is missing, it makes {pdf}: apt-get install {PACKAGES}")
    tex = Path(tex).resolve()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            _run(program, tex, Path(folder))
        with atomic_path(pdf) as path:
            shutil.copyfile(Path(folder) / f"{tex.stem}.pdf", path)


def _run(program: str, tex: Path, folder: Path) -> None:
    options = [
        "-interaction=nonstopmode",
        "-halt-on-error",
        "-no-shell-escape",
        f"-output-directory={folder}",
    ]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"}
    done = subprocess.run(
        [program, *options, tex.name],
        cwd=tex.parent,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=300,
        check=False,
    )
    if done.returncode == 0:
        return
    output = done.stdout.decode("utf-8", errors="replace")
    complaint = output[max(output.find("\n!"), 0) :].strip()[:800]
    advice = f": apt-get install {PACKAGES}" if "not found" in complaint else ""
    raise UserError(f"pdflatex could not typeset {tex}{advice}\n{complaint}")


def _plain_path(path: str) -> str:
    if any(letter in path for letter in "\\{}%#~^$& "):
        raise UserError(
            f"LaTeX cannot read a file at {path!r}: use a path without spaces and special characters"
        )
    return path
