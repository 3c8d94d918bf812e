"""Nearest neighbours of every row among all others: exact, or nearly so and much faster."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.screen import worthwhile_screen
from clusterprobe.cluster.similarity import Int64, most_similar
from clusterprobe.config.errors import UserError
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Float32, Part, Rows
from clusterprobe.store.threads import in_order

Int32 = npt.NDArray[np.int32]

_QUERIES = 2048


def mine_neighbours(rows: Rows, k: int) -> Int32:
    """Return the k nearest other rows [N, k] of each of N rows, by cosine, nearest first.

    A row is never its own neighbour, even if it has duplicates; equal similarities are ordered by index.
    Exact: inner products of rows scaled to unit length (SCAN, arXiv 2005.12320, section 2.2). Holds the N x D
    matrix in memory as float32, and up to half as much again. Raises UserError unless 1 <= k < N.
    """
    unit = unit_matrix(rows, k)
    screen = worthwhile_screen(unit, k)
    search = partial(most_similar, unit, k=k, screen=screen)
    return search_all(search, np.arange(len(unit)), k, _QUERIES)


def search_all(search: Callable[[Int64], Int64], queries: Int64, k: int, size: int) -> Int32:
    """Search the neighbours [n, k] of the rows `queries` [n], at most `size` of them at a time."""
    found = np.empty((len(queries), k), dtype=np.int32)
    first = 0
    with Progress("nearest neighbours", len(queries), "rows") as progress:
        for part in in_order(search, groups(queries, size)):
            found[first : first + len(part)] = part
            first += len(part)
            progress.update(len(part))
    return found


def groups(queries: Int64, size: int) -> list[Int64]:
    """Cut `queries` [N] into parts of `size`."""
    return [queries[first : first + size] for first in range(0, len(queries), size)]


def unit_matrix(rows: Rows, k: int) -> Float32:
    """Return rows [N, D] scaled to unit length; raises UserError unless 1 <= k < N."""
    count = rows.shape[0]
    if not 1 <= k < count:
        raise UserError(
            f"{k} neighbours asked for among {count} rows of {rows.space!r}: "
            "choose a number from 1 to the number of rows less one"
        )
    unit = np.empty(rows.shape, dtype=np.float32)

    def scale(part: Part) -> None:
        block = part.read()
        require_finite(block, rows.space)
        unit[part.where] = unit_length(block)

    for _ in in_order(scale, rows.parts()):
        pass
    return unit
