"""The one exception for mistakes that a person can mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Bad input: the message says what is wrong, where, and what to do about it."""


def nearest(word: str, choices: Iterable[str]) -> str:
    """Return a hint that names the closest valid choice, or lists the choices."""
    known = sorted(choices)
    if not known:
        return "there is none to choose from"
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"choose one of: {', '.join(known)}"
