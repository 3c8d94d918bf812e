"""Figure of the sizes of clusters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from clusterprobe.config.errors import UserError
from clusterprobe.report.panels import key, legend_below, panels
from clusterprobe.report.style import COLUMN_WIDTH, GREY, looks, percent_axis


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
        mean, spread = shares.mean(axis=0), shares.std(axis=0, ddof=1) if len(shares) > 1 else 0.0
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
