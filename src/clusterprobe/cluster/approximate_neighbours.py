"""Nearly all nearest neighbours by inner product, at a fraction of the cost: search near cells only."""

from __future__ import annotations

from functools import partial

import numpy as np

from clusterprobe.cluster.cells import Cells
from clusterprobe.cluster.neighbours import Int32, groups, search_all, unit_matrix
from clusterprobe.cluster.similarity import Int64, best_scores, first_of_each, most_similar, ranked, scored
from clusterprobe.store.rows import Float32, Rows
from clusterprobe.store.threads import in_order

QUERIES = 8192
"""Searched at a time."""

_CHECKED = 1000
_LEAST_RECALL = 0.992  # of a sample: 0.99 of all, and some room for chance
_SHARES = (0.993, 0.994, 0.995, 0.997, 0.999, 1.0)
_CANDIDATES = 3  # times the neighbours that are asked for


def mine_approximate_neighbours(rows: Rows, k: int) -> tuple[Int32, float]:
    """Return what mine_neighbours does, nearly [N, k], and the share of true neighbours among them.

    Only rows in cells near a query are looked at, first in a few principal components; the best of them are
    ranked by their exact similarity. So many cells are searched that a little more than 99 % of the
    neighbours of a sample of 1000 rows are found: that share is returned. Raises UserError unless 1 <= k < N.
    """
    unit = unit_matrix(rows, k)
    cells = Cells(unit)
    reach, recall = far_enough(unit, cells, k)
    search = partial(search_cells, unit, cells, k=k, reach=reach)
    queries = cells.together(np.arange(len(unit)))
    found = np.empty((len(unit), k), dtype=np.int32)
    found[queries] = search_all(search, queries, k, QUERIES)
    return found, recall


def far_enough(unit: Float32, cells: Cells, k: int) -> tuple[float, float]:
    """Return how far to reach for 99.2 % of the k nearest rows of a sample, and the share found.

    That which reaches the cells of so many of them, or of all if not enough of these are found.
    """
    checked = np.sort(np.random.default_rng(0).choice(len(unit), min(_CHECKED, len(unit)), replace=False))
    parts = groups(checked, 512)
    exact = list(in_order(partial(most_similar, unit, k=k), parts))
    missing = [cells.reaches(part, best, _CANDIDATES * k) for part, best in zip(parts, exact, strict=True)]
    for share in _SHARES:
        reach = float(np.quantile(np.concatenate(missing), share, method="higher"))
        search = partial(search_cells, unit, cells, k=k, reach=reach)
        recall = overlap(np.concatenate(exact), np.concatenate(list(in_order(search, parts))))
        if recall >= _LEAST_RECALL:
            break
    return reach, recall


def search_cells(unit: Float32, cells: Cells, queries: Int64, k: int, reach: float) -> Int64:
    """Return the k most similar rows [n, k] of the rows `queries` [n] among those in the cells in reach.

    A query in whose cells there are not so many is compared with all rows.
    """
    pairs = first_of_each(cells.candidates(queries, reach, _CANDIDATES * k).best_first(), _CANDIDATES * k)
    enough = np.bincount(pairs.query, minlength=len(queries)) > k
    found = np.empty((len(queries), k), dtype=np.int64)
    if not enough.all():
        found[~enough] = most_similar(unit, queries[~enough], k)
        pairs = pairs.at(enough[pairs.query])
        pairs = pairs._replace(query=(np.cumsum(enough) - 1)[pairs.query])
    rest = queries[enough]
    best, _ = best_scores(scored(unit, rest, pairs), len(rest), k + 1)
    found[enough] = ranked(unit, rest, best, k)
    return found


def share_searched(cells: Cells, queries: Int64, k: int, reach: float) -> float:
    """Return the share of all rows that search_cells compares with a query, on average."""
    return cells.searched(queries, reach, _CANDIDATES * k)


def overlap(exact: Int64, found: Int64) -> float:
    """Return the share of the exact neighbours [n, k] that are among those that were found [n, k]."""
    return float((exact[:, :, None] == found[:, None, :]).any(axis=2).mean())
