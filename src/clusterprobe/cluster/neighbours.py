"""Exact nearest neighbours of every row among all others."""

from __future__ import annotations

import faiss
import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.rows import Float32, Rows

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_QUERIES = 4096
_GATHERED = 2**25  # values gathered at a time: 128 MiB of float32
_TIE = 1e-5  # float32 inner products of unit vectors that are closer than this may be equal


def mine_neighbours(rows: Rows, k: int) -> npt.NDArray[np.int32]:
    """Return the k nearest other rows [N, k] of each of N rows, by cosine, nearest first.

    A row is never its own neighbour, even if it has duplicates; equal similarities are ordered by index.
    Exact: inner products of rows scaled to unit length (SCAN, arXiv 2005.12320, section 2.2). Holds the N x D
    matrix in memory as float32. Raises UserError unless 1 <= k < N.
    """
    if not 1 <= k < rows.shape[0]:
        raise UserError(
            f"{k} neighbours asked for among {rows.shape[0]} rows of {rows.space!r}: "
            "choose a number from 1 to the number of rows less one"
        )
    unit = _unit_matrix(rows)
    found = np.empty((len(unit), k), dtype=np.int32)
    for first in range(0, len(unit), _QUERIES):
        queries = np.arange(first, min(first + _QUERIES, len(unit)))
        found[queries] = _search(unit, queries, k)
    return found


def _unit_matrix(rows: Rows) -> Float32:
    unit = np.empty(rows.shape, dtype=np.float32)
    first = 0
    for block in rows.blocks():
        require_finite(block, rows.space)
        unit[first : first + len(block)] = unit_length(block)
        first += len(block)
    return unit


def _search(unit: Float32, queries: Int64, k: int) -> Int64:
    """Return the k nearest others [n, k] of the rows `queries` [n].

    faiss proposes a few more than k + 1; where its last proposal may tie with the k-th, all rows compete.
    """
    wanted = min(k + 9, len(unit))
    proposed, candidates = faiss.knn(unit[queries], unit, wanted, metric=faiss.METRIC_INNER_PRODUCT)
    result = np.empty((len(queries), k), dtype=np.int64)
    step = max(_GATHERED // (wanted * unit.shape[1]), 1)
    for first in range(0, len(queries), step):
        here = slice(first, first + step)
        exact = np.einsum("nmd,nd->nm", unit[candidates[here]], unit[queries[here]], dtype=np.float64)
        result[here] = _ranked(exact, candidates[here], queries[here], k)
    if wanted < len(unit):
        everyone = np.arange(len(unit))[None]
        for row in np.flatnonzero(proposed[:, k] - proposed[:, -1] < _TIE):
            exact = np.einsum("md,d->m", unit, unit[queries[row]], dtype=np.float64)[None]
            result[row] = _ranked(exact, everyone, queries[row : row + 1], k)
    return result


def _ranked(similarities: Float64, candidates: Int64, queries: Int64, k: int) -> Int64:
    """Order candidates [n, m] by similarity [n, m], then index, without the query; return the first k."""
    others = np.where(candidates == queries[:, None], -np.inf, similarities)
    order = np.lexsort((candidates, -others))[:, :k]
    return np.take_along_axis(np.broadcast_to(candidates, others.shape), order, axis=1)
