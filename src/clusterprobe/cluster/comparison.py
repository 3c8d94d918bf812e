"""Points compared with centres: with all of them in full, or first along a few axes, which rule out most."""

from __future__ import annotations

from functools import partial
from typing import Protocol

import numpy as np

from clusterprobe.cluster.nearest import MANY_CLUSTERS, Centres, Int32, Int64
from clusterprobe.cluster.points import Points
from clusterprobe.cluster.screen import leading_axes
from clusterprobe.cluster.screened_centres import ScreenedCentres, Where
from clusterprobe.store.rows import Float32

_LEAST_WIDTH = 768
_LEAST_CLUSTERS = 256
_LEAST_ROWS = 100_000  # for which axes are chosen anew: it takes as long as some 50,000 rows
_SAMPLE = 512
_SIXTY_FOURTHS = (2, 4, 6, 8, 12, 16)  # of the columns: how many axes are tried


class Comparison(Protocol):
    """Centres [K, D], ready to be compared with blocks of points. The methods are those of Centres."""

    @property
    def values(self) -> Float32: ...

    def nearest(self, where: Where, block: Float32) -> Int32: ...

    def nearest_two(self, where: Where, block: Float32) -> tuple[Int32, Int32]: ...

    def nearest_and_second_score(self, where: Where, block: Float32) -> tuple[Int32, Float32]: ...


def comparison_with_points(points: Points, centres: Float32) -> Comparison:
    """Return the faster way to compare centres [K, D] with all points [N, D]: see ScreenedCentres."""
    return _faster(points, centres)[0]


def share_compared(points: Points, centres: Float32) -> float:
    """Return what comparing centres with all points costs, as a share of what it costs in full."""
    return _faster(points, centres)[1]


def _faster(points: Points, centres: Float32) -> tuple[Comparison, float]:
    """Try the leading axes of the points, for so many clusters that these are known anyway."""
    plain = _Plain(centres), 1.0
    if not _large(centres) or len(centres) < MANY_CLUSTERS or points.leading is None:
        return plain
    axes, held = points.leading.axes, points.leading.points.held
    screened = ScreenedCentres(centres, axes, points.leading.of_block)
    sample = evenly_spaced(points.count)
    cost = screened.cost(sample, points.take(sample), 1) + (0 if held else axes.size)
    return (screened, cost / centres.size) if cost < centres.size else plain


def comparison_with_rows(count: int, sample: Float32, centres: Float32) -> Comparison:
    """Return the faster way to find the two nearest of the centres [K, D] of N rows like those of a sample.

    The axes are those of the centres, and each row is brought to them first.
    """
    if not _large(centres) or count < _LEAST_ROWS:
        return _Plain(centres)
    width = centres.shape[1]
    axes = leading_axes(centres - centres.mean(axis=0), min(len(centres), width // 4))
    best: Comparison = _Plain(centres)
    least = float(centres.size)
    for number in (width * share // 64 for share in _SIXTY_FOURTHS):
        if number > axes.shape[1]:
            break
        few = np.ascontiguousarray(axes[:, :number])
        screened = ScreenedCentres(centres, few, partial(_project, few))
        cost = screened.cost(slice(None), sample, 2) + few.size
        if cost < least:
            best, least = screened, cost
    return best


def _project(axes: Float32, where: Where, block: Float32) -> Float32:
    return block @ axes


def evenly_spaced(count: int) -> Int64:
    """Return the numbers of a few hundred of some rows."""
    return np.arange(0, count, max(count // _SAMPLE, 1))


def _large(centres: Float32) -> bool:
    return len(centres) >= _LEAST_CLUSTERS and centres[0].size >= _LEAST_WIDTH


class _Plain:
    """All centres in full."""

    def __init__(self, values: Float32) -> None:
        self._centres = Centres(values)
        self.values = values

    def nearest(self, where: Where, block: Float32) -> Int32:
        return self._centres.nearest(block)

    def nearest_two(self, where: Where, block: Float32) -> tuple[Int32, Int32]:
        return self._centres.nearest_two(block)

    def nearest_and_second_score(self, where: Where, block: Float32) -> tuple[Int32, Float32]:
        return self._centres.nearest_and_second_score(block)
