"""Figures of what is inside the clusters: their sizes, and the classes of their images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import heading, key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, GREY, INK, looks, percent_axis

ANNOTATED_CLASSES = 15
"""Largest number of classes whose confusion is printed as numbers."""

_LARGE = 6.0


def cluster_sizes(assignments: pd.DataFrame) -> Figure:
    """Draw the sorted shares of clusters, mean over seeds, one line per encoder.

    `assignments` has a row per image and seed: encoder, encoder_seed, seed, cluster. A column k, if there is
    one, gives the number of clusters asked for, so that empty ones count. More columns are ignored.
    """
    lacking = {"encoder", "encoder_seed", "seed", "cluster"} - set(assignments.columns)
    if lacking or assignments.empty:
        problem = f"the assignments lack {sorted(lacking)}" if lacking else "there are no assignments"
        raise UserError(f"figure 'cluster-sizes' has nothing to draw: {problem}")
    look = looks(assignments["encoder"].astype(str))
    figure, axes = panels(1, 1, COLUMN_WIDTH, 2.2 + 0.09 * len(look))
    axis = axes[0, 0]
    counts = set()
    for encoder, part in assignments.groupby("encoder", sort=False):
        shares = _sorted_shares(part)
        mean, spread = shares.mean(axis=0), shares.std(axis=0)
        rank = np.arange(1, len(mean) + 1)
        style = look[str(encoder)]
        mark = style.marker if len(mean) <= 40 else None
        axis.plot(rank, mean, color=style.colour, marker=mark, linestyle=style.line)
        axis.fill_between(rank, mean - spread, mean + spread, color=style.colour, alpha=0.15, lw=0)
        counts.add(len(mean))
    for count in sorted(counts):
        axis.plot([1, count], [1 / count, 1 / count], color=GREY, linestyle="--", lw=0.8)
    axis.set_ylim(bottom=0)
    axis.set_xlabel("cluster, largest first")
    axis.set_ylabel("share of the images (%)")
    axis.xaxis.get_major_locator().set_params(integer=True)
    percent_axis(axis, "y")
    handles = [key(style, name, line=True) for name, style in look.items()]
    handles.append(Line2D([], [], color=GREY, linestyle="--", lw=0.8, label="equal sizes"))
    legend_below(figure, [*handles], COLUMN_WIDTH)
    return figure


def _sorted_shares(part: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return [seeds, clusters] shares of the images of one encoder, each row in descending order."""
    asked = int(part["k"].max()) if "k" in part.columns else 0
    clusters = max(asked, int(part["cluster"].max()) + 1)
    shares = []
    for _, seed in part.groupby(["encoder_seed", "seed"], dropna=False, sort=False):
        counts = np.bincount(seed["cluster"].to_numpy(dtype=np.int64), minlength=clusters)
        shares.append(np.sort(counts / counts.sum())[::-1])
    return np.asarray(shares)


def confusion(counts: pd.DataFrame) -> Figure:
    """Draw a class x class frame of image counts (row: class, column: class of the matched cluster).

    `counts.attrs["title"]`, if it is there, is printed above.
    """
    values = counts.to_numpy(dtype=float)
    if not values.size or values.sum() == 0:
        raise UserError("figure 'confusion' has nothing to draw: the matrix holds no image")
    totals = values.sum(axis=1, keepdims=True)
    shares = np.divide(values, totals, out=np.zeros_like(values), where=totals > 0)
    rows, columns = [str(name) for name in counts.index], [str(name) for name in counts.columns]
    longest = max(map(len, rows + columns))
    side = COLUMN_WIDTH if len(rows) <= ANNOTATED_CLASSES else _LARGE
    figure, axes = panels(1, 1, side, side * 0.87)
    axis = axes[0, 0]
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
    step = max(1, len(rows) // 50)
    turned = 90 if longest > 2 else 0
    axis.set_xticks(range(0, len(columns), step), columns[::step], rotation=turned)
    axis.set_yticks(range(0, len(rows), step), rows[::step])
    axis.grid(visible=False)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    heading(axis, str(counts.attrs.get("title", "")))
    axis.set_xlabel("class of the cluster")
    axis.set_ylabel("class of the image")
    if len(rows) <= ANNOTATED_CLASSES:
        for (row, column), share in np.ndenumerate(shares):
            if values[row, column]:
                colour = "white" if share > 0.55 else INK
                axis.text(column, row, _share(share), ha="center", va="center", size=6, color=colour)
    bar = figure.colorbar(image, ax=axis, shrink=0.8, pad=0.02, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0", "50", "100 %"])
    bar.outline.set_visible(False)
    return figure


def _share(share: float) -> str:
    return "<1" if share < 0.005 else f"{100 * share:.0f}"
