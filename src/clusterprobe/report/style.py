"""How figures look: sizes for the column of a paper, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes

LineStyle = Literal["-", "--", ":", "-."]

COLUMN_WIDTH = 3.4
PAGE_WIDTH = 6.7
"""Widths of a figure in inches: what a page of the paper holds, so that no figure is shrunk."""

GREY = "#6a737d"
INK = "#1b1f24"
FALSE = "#d55e00"

# Okabe and Ito (2008), without yellow, which vanishes on white paper.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES: tuple[LineStyle, ...] = ("-", "--", ":", "-.")

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e3e6ea",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 0,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 220,
    "pdf.fonttype": 42,
    "text.parse_math": False,
    "svg.hashsalt": "clusterprobe",
}


@dataclass(frozen=True)
class Look:
    """How one thing appears in every panel of a figure: told apart by colour and by shape."""

    colour: str
    marker: str
    line: LineStyle


def in_style() -> AbstractContextManager[None]:
    """Return the context in which figures are drawn and saved, whatever the settings of the user are."""
    settings: Any = dict(mpl.rcParamsDefault) | _SETTINGS | {"backend": "agg"}
    return mpl.rc_context(settings)


def looks(names: Iterable[str]) -> dict[str, Look]:
    """Return a look for each name, in the order given."""
    found = {}
    for position, name in enumerate(dict.fromkeys(names)):
        found[name] = Look(
            _COLOURS[position % len(_COLOURS)],
            _MARKERS[position % len(_MARKERS)],
            _LINES[position // len(_COLOURS) % len(_LINES)],
        )
    return found


def percent_axis(axes: Axes, which: str) -> None:
    """Print the ticks of one axis ("x" or "y"), whose data are fractions, as percent."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_formatter(lambda value, _: f"{100 * value:.3g}".replace("-", "−"))
