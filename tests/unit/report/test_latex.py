from __future__ import annotations

import pytest

from clusterprobe.report.latex import escape_latex


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("a_b & 5% #1", r"a\_b \& 5\% \#1"),
        ("85.3 ± 1.2", r"85.3 $\pm$ 1.2"),
        (r"\input{x}", r"\textbackslash{}input\{x\}"),
        ("$x^2$~", r"\$x\textasciicircum{}2\$\textasciitilde{}"),
        ("k-means", "k-means"),
        ("a--b", "a-{}-b"),
        ("[x]", "{[}x]"),
        ("é Ü å č", r"\'{e} \"{U} \r{a} \v{c}"),
        ("e\u0301", r"\'{e}"),
        ("漢", "(U+6F22)"),
        ("a\nb", "a b"),
        ("10 → 20 × 2", r"10 $\rightarrow$ 20 $\times$ 2"),
        ("", ""),
    ],
)
def test_text_prints_literally(plain: str, escaped: str) -> None:
    assert escape_latex(plain) == escaped
