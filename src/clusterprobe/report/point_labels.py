"""Names beside points, as many as there is room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes

SIZE = 4.5  # points
_LETTER, _LINE, _GAP = 0.52 * SIZE / 72, 1.15 * SIZE / 72, 0.045  # inches


class NamedPoint(NamedTuple):
    """A point in data coordinates, its name and colour."""

    x: float
    y: float
    name: str
    colour: str


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)


def label_points(axes: Axes, points: Sequence[NamedPoint], width: float, height: float) -> list[str]:
    """Write names beside points where they cover neither points nor names before them; return those written.

    `width` and `height` are those of the panel in inches, its limits must be set. Names come in the order of
    `points`: what matters most comes first.
    """
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    places = [
        ((point.x - left) / (right - left) * width, (point.y - bottom) / (top - bottom) * height)
        for point in points
    ]
    taken = [_Box(x - _GAP / 2, y - _GAP / 2, x + _GAP / 2, y + _GAP / 2) for x, y in places]
    frame = _Box(0, 0, width, height)
    written = []
    for point, (x, y) in zip(points, places, strict=True):
        for box, align in _candidates(x, y, _LETTER * len(point.name)):
            inside = frame.left <= box.left and box.right <= frame.right and box.bottom >= frame.bottom
            if not inside or box.top > frame.top or any(box.meets(other) for other in taken):
                continue
            taken.append(box)
            written.append(point.name)
            offset = (72 * ((box.left if align == "left" else box.right) - x), 72 * (box.bottom - y))
            axes.annotate(
                point.name,
                (point.x, point.y),
                xytext=offset,
                textcoords="offset points",
                ha=align,
                fontsize=SIZE,
                color=point.colour,
            )
            break
    return written


def _candidates(x: float, y: float, width: float) -> Iterator[tuple[_Box, str]]:
    """Yield places for a name: to the right of its point and to the left, at its height, above and below."""
    for height in (-_LINE / 2, _GAP / 2, -_LINE - _GAP / 2):
        bottom = y + height
        yield _Box(x + _GAP, bottom, x + _GAP + width, bottom + _LINE), "left"
        yield _Box(x - _GAP - width, bottom, x - _GAP, bottom + _LINE), "right"
