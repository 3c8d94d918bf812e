"""Numbers of clusters as multiples of the number of classes."""

from __future__ import annotations

_ROUNDING = 1e-9


def multiple(factor: float, classes: int) -> int:
    """Return K: `factor` times the number of classes, cut off and at least 1.

    As in the code of arXiv 2008.10312: 1.5 times 313 classes are 469 clusters. A product that floating point
    puts just below a whole number is that number.
    """
    return max(1, int(factor * classes + _ROUNDING))
