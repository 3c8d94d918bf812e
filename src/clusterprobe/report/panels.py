"""What the drawing functions share: the grid of panels, the cells to draw, the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clusterprobe.config.errors import UserError
from clusterprobe.report.style import INK, Look


def panels(
    rows: int, columns: int, width: float, height: float, ratios: Sequence[float] | None = None
) -> tuple[Figure, npt.NDArray[Any]]:
    """Return a figure and its [rows, columns] axes; `height` is that of the whole figure, in inches.

    `ratios`: the widths of the columns relative to each other, all the same if not given.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=ratios)
    return figure, np.asarray(axes)


def drawable(name: str, rows: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return the rows with finite values; raises UserError if there are none."""
    rows = rows[np.isfinite(rows["value"].to_numpy(dtype=float))]
    if rows.empty:
        raise UserError(f"figure {name!r} has nothing to draw: the results hold no {what}; leave it out")
    return rows


def key(look: Look, label: str, line: bool = False, colour: str | None = None) -> Line2D:
    """Return a legend entry."""
    entry = Line2D([], [], color=colour or look.colour, marker=look.marker, label=label)
    entry.set_linestyle(look.line if line else "none")
    return entry


def legend_below(figure: Figure, handles: list[Artist], width: float) -> None:
    """Put a legend under all panels, with as many columns as fit."""
    if not handles:
        return
    columns = legend_columns([str(handle.get_label()) for handle in handles], width)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.6)


def legend_columns(labels: list[str], width: float) -> int:
    """Return the largest number of columns in which a legend of these labels is no wider than `width` inches.

    Entries fill columns one after the other, and the longest label of a column says how wide it is.
    """
    for columns in range(len(labels), 1, -1):
        parts = np.array_split(np.array([len(label) for label in labels]), columns)
        if sum(0.4 + 0.062 * int(part.max()) for part in parts) <= width:
            return columns
    return 1


def heading(axes: Axes, text: str) -> None:
    """Set a left-aligned title."""
    axes.set_title(text, loc="left", color=INK)
