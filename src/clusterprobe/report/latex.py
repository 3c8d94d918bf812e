"""Text for LaTeX: every character either prints as it is or says which one it was."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "_": r"\_",
    "%": r"\%",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "[": "{[}",
    "*": "{*}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "·": r"$\cdot$",
    "−": "$-$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "→": r"$\rightarrow$",
    "Δ": r"$\Delta$",
    "†": r"$\dagger$",
    "µ": r"$\mu$",
    "–": "--",
    "—": "---",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "…": r"\ldots{}",
    "\u00a0": "~",
    "ß": r"\ss{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def escape_latex(text: str) -> str:
    """Return `text` so that LaTeX prints it literally, with pdflatex and no package.

    Latin letters with accents are composed; a character that the basic fonts lack becomes its code point.
    """
    pieces = [_escape_character(letter) for letter in unicodedata.normalize("NFC", text)]
    return "".join("-{}" if pair == ("-", "-") else pair[0] for pair in pairwise([*pieces, ""]))


def _escape_character(letter: str) -> str:
    if letter in _SPECIAL:
        return _SPECIAL[letter]
    if letter.isspace():
        return " "
    if " " < letter <= "~":
        return letter
    base, accent = (*unicodedata.normalize("NFD", letter), "", "")[:2]
    if accent in _ACCENTS and base.isascii() and len(unicodedata.normalize("NFD", letter)) == 2:
        return f"\\{_ACCENTS[accent]}{{{base}}}"
    return f"(U+{ord(letter):04X})"
