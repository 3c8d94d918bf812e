"""Figures of which classes, and which superclasses, end up in which clusters."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize, PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import heading, panels
from clusterprobe.report.style import COLUMN_WIDTH, INK

ANNOTATED_CLASSES = 15
"""Largest number of classes whose confusion is printed as numbers."""

NAMED_CLASSES = 50
"""Largest number of classes that are all named at the axes."""

_LARGE = 6.0
_OTHER = "other"


def confusion(counts: pd.DataFrame) -> Figure:
    """Draw a class x class frame of image counts (row: class, column: class of the matched cluster).

    `counts.attrs` may hold `title`, printed above, and `superclasses` (class -> superclass): classes are then
    ordered by superclass, in the order of this mapping, and its blocks are framed and named.
    """
    groups: Mapping[str, str] = counts.attrs.get("superclasses") or {}
    return _draw(_ordered(counts, groups), groups, str(counts.attrs.get("title", "")), "class")


def superclass_confusion(counts: pd.DataFrame) -> Figure:
    """Draw a class x class frame of image counts summed to superclass x superclass; see `confusion`.

    Classes without a superclass count as one, "other". Raises UserError if `counts.attrs` has none at all.
    """
    groups: Mapping[str, str] = counts.attrs.get("superclasses") or {}
    if not groups:
        raise UserError(
            "figure 'superclass-confusion' has nothing to draw: give the data set its `superclasses`, or "
            "leave it out"
        )

    def superclass(name: object) -> str:
        return groups.get(str(name), _OTHER)

    of_group = _ordered(counts, groups).rename(index=superclass, columns=superclass)
    summed = of_group.groupby(level=0, sort=False).sum().T.groupby(level=0, sort=False).sum().T
    return _draw(summed, {}, str(counts.attrs.get("title", "")), "superclass")


def _draw(counts: pd.DataFrame, groups: Mapping[str, str], title: str, what: str) -> Figure:
    values = counts.to_numpy(dtype=float)
    if not values.size or values.sum() == 0:
        raise UserError("figure 'confusion' has nothing to draw: the matrix holds no image")
    totals = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    rows, columns = [str(name) for name in counts.index], [str(name) for name in counts.columns]
    side = COLUMN_WIDTH if len(rows) <= ANNOTATED_CLASSES and not groups else _LARGE
    figure, axes = panels(1, 1, side, side * 0.87)
    axis = axes[0, 0]
    printed = len(rows) <= ANNOTATED_CLASSES
    norm = Normalize(0, 1) if printed else PowerNorm(0.5, 0, 1)  # few of many: small shares have to be seen
    image = axis.imshow(shares, cmap="Blues", norm=norm, aspect="equal", interpolation="nearest")
    _name_classes(axis, rows, columns, bool(groups))
    if groups:
        _frame_blocks(axis, rows, columns, groups)
    heading(axis, title)
    axis.set_xlabel(f"{what} of the cluster")
    axis.set_ylabel(f"{what} of the image")
    if printed:
        _print_shares(axis, shares)
    ticks = [0, 0.5, 1] if printed else [0, 0.05, 0.2, 0.5, 1]
    bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02, ticks=ticks)
    bar.ax.set_yticklabels([f"{100 * tick:g}{' %' if tick == 1 else ''}" for tick in ticks])
    bar.ax.minorticks_off()
    bar.outline.set_visible(False)
    return figure


def _ordered(counts: pd.DataFrame, groups: Mapping[str, str]) -> pd.DataFrame:
    """Return rows and columns with the classes of one superclass side by side, those without one last."""
    if not groups:
        return counts
    if not any(str(name) in groups for name in counts.index):
        raise UserError("figure 'confusion': the grouping into superclasses names none of the classes")
    ranks = {group: rank for rank, group in enumerate(dict.fromkeys(groups.values()))}

    def order(names: pd.Index) -> list[int]:
        found = [ranks.get(groups.get(str(name), ""), len(ranks)) for name in names]
        return [int(position) for position in np.argsort(found, kind="stable")]

    return counts.iloc[order(counts.index), order(counts.columns)]


def _name_classes(axis: Axes, rows: list[str], columns: list[str], grouped: bool) -> None:
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    if grouped and len(rows) > NAMED_CLASSES:
        axis.set_xticks([])
        axis.set_yticks([])
        return
    step = max(1, len(rows) // NAMED_CLASSES)
    turned = 90 if max(map(len, rows + columns)) > 2 else 0
    size = 7.5 if len(rows) <= 30 else 5.5
    axis.set_xticks(range(0, len(columns), step), columns[::step], rotation=turned, size=size)
    axis.set_yticks(range(0, len(rows), step), rows[::step], size=size)


def _frame_blocks(axis: Axes, rows: list[str], columns: list[str], groups: Mapping[str, str]) -> None:
    """Draw a frame around the block of every superclass and name it at the right."""
    centres, names = [], []
    of_columns = _blocks(columns, groups)
    for group, (first, last) in _blocks(rows, groups).items():
        centres.append((first + last) / 2)
        names.append(group)
        if group in of_columns:
            left, right = of_columns[group]
            width, height = right - left + 1, last - first + 1
            corner = left - 0.5, first - 0.5
            axis.add_patch(Rectangle(corner, width, height, fill=False, ec=INK, lw=0.8, clip_on=False))
    at_right = axis.secondary_yaxis("right")
    at_right.set_yticks(centres, names, size=7.5)
    at_right.tick_params(length=0)
    at_right.spines[:].set_visible(False)


def _blocks(names: list[str], groups: Mapping[str, str]) -> dict[str, tuple[int, int]]:
    """Return the first and the last position of every superclass."""
    found: dict[str, tuple[int, int]] = {}
    for position, name in enumerate(names):
        group = groups.get(name, _OTHER)
        found[group] = (found.get(group, (position, position))[0], position)
    return found


def _print_shares(axis: Axes, shares: npt.NDArray[np.float64]) -> None:
    for (row, column), share in np.ndenumerate(shares):
        if share > 0:
            colour = "white" if share > 0.55 else INK
            words = "<1" if share < 0.005 else f"{100 * share:.0f}"
            axis.text(column, row, words, ha="center", va="center", size=6, color=colour)
