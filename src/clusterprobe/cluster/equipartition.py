"""Labels with exact cluster sizes: what the arg-max of a balanced plan is rounded to, if wanted."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.sinkhorn import (
    Blocks,
    Float64,
    Int32,
    Int64,
    assign,
    best_clusters,
    scores,
    wanted_shares,
)

Bool = npt.NDArray[np.bool_]
Ask = Callable[[Int32, Bool], tuple[Int32, Float64]]
"""Labels [N], -1 for none yet, and which clusters have room [K] -> the best of these for each row without a
label, and how much better it is than the second best of them; other rows may hold anything."""

_WHOLE = 1e-6  # how far from a whole number N * share may be through rounding


def equipartition(
    blocks: Blocks, power: float, log_scaling: Float64, shares: npt.ArrayLike | None = None
) -> Int32:
    """Return labels int32 [N] of which every cluster has floor or ceil of N * share, see `deal_out`.

    Args:
        blocks, power, log_scaling: see `clusterprobe.cluster.sinkhorn`; finite logits.
        shares: as for `sinkhorn.scale`.
    """
    labels = assign(blocks, power, log_scaling)
    wanted = wanted_shares(len(log_scaling), shares)
    return deal_out(labels, wanted, partial(_ask, blocks, power, log_scaling))


def deal_out(labels: Int32, shares: Float64, ask: Ask) -> Int32:
    """Return labels int32 [N] of which every cluster has floor or ceil of N * share [K].

    Asano et al., arXiv 1911.05371, footnote to equation 3, promise such labels; the arg-max of the plan,
    `labels`, is only near to them. In every round each row that has no cluster yet asks for the best one with
    room, which takes the rows that lose most by the second best. In memory are some numbers per row. The
    result is not always the best of all such labellings; where the arg-max has these sizes already, it is.
    """
    room = cluster_sizes(np.bincount(labels, minlength=len(shares)), shares)
    dealt = np.full_like(labels, -1)
    while (dealt < 0).any():
        asked, loss = ask(dealt, room > 0)
        waiting = np.flatnonzero(dealt < 0)
        order = waiting[np.lexsort((waiting, -loss[waiting], asked[waiting]))]
        place = np.arange(len(order)) - np.searchsorted(asked[order], asked[order])
        taken = order[place < room[asked[order]]]
        dealt[taken] = asked[taken]
        room -= np.bincount(asked[taken], minlength=len(shares))
    return dealt


def cluster_sizes(counts: Int64, shares: Float64) -> Int64:
    """Return sizes int64 [K], floor or ceil of N * share; where `counts` have most to spare it is ceil."""
    exact = counts.sum() * shares
    sizes: Int64 = np.floor(exact + _WHOLE).astype(np.int64)
    surplus = np.where(exact - sizes > _WHOLE, counts - sizes, np.iinfo(np.int64).min)
    sizes[np.argsort(-surplus, kind="stable")[: counts.sum() - sizes.sum()]] += 1
    return sizes


def preferences(table: Float64, rows: Int64, has_room: Bool) -> tuple[Int32, Float64]:
    """Return the best cluster with room of each row of scores [n, K], and what the second best is worse by.

    `rows` [n] are the numbers of the rows, see `sinkhorn.best_clusters`.
    """
    table = np.where(has_room, table, -np.inf)
    if has_room.sum() == 1:
        return best_clusters(table, rows), np.zeros(len(table))
    top = np.partition(table, -2, axis=1)
    return best_clusters(table, rows), top[:, -1] - top[:, -2]


def _ask(
    blocks: Blocks, power: float, log_scaling: Float64, labels: Int32, has_room: Bool
) -> tuple[Int32, Float64]:
    asked, loss, first = labels.copy(), np.zeros(len(labels)), 0
    for block in blocks():
        rows = first + np.flatnonzero(labels[first : first + len(block)] < 0)
        if len(rows):
            table = scores(block[rows - first], power, log_scaling)
            asked[rows], loss[rows] = preferences(table, rows, has_room)
        first += len(block)
    return asked, loss
