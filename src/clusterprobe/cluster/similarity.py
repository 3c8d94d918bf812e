"""Which rows are most similar to which: float32 products choose, float64 products decide near-ties."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clusterprobe.store.rows import Float32

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_ROWS_AT_ONCE = 4096
_FIRST_ROWS = 16384
_COLUMNS_TOGETHER = 16
_PAIRS = 2**23  # candidates of a group of queries; where ties make more, the group is split
_VALUES_AT_ONCE = 2**17  # of rows whose products are taken: they stay in the cache
TIE = np.float32(1e-5)
"""Float32 inner products of unit vectors that are closer than this may be equal."""


class Pairs(NamedTuple):
    """Candidates: pairs of a query (its place among the queries) and a row, and their score."""

    query: Int64
    row: Int64
    score: Float32

    @classmethod
    def joined(cls, parts: list[Pairs]) -> Pairs:
        """Put several groups of pairs together."""
        return cls(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def at(self, places: Int64 | npt.NDArray[np.bool_]) -> Pairs:
        """Return some of the pairs."""
        return Pairs(self.query[places], self.row[places], self.score[places])

    def best_first(self) -> Pairs:
        """Return the pairs by query and falling score."""
        bits = self.score.view(np.int32)
        rising = bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))  # integers in the order of the floats
        return self.at(np.argsort((self.query << 33) - rising))


def most_similar(unit: Float32, queries: Int64, k: int) -> Int64:
    """Return the k other rows [n, k] with the largest inner product with each of the rows `queries` [n].

    `unit` [N, D] holds rows of unit length, k < N. Largest first, equal ones by index.
    """
    pairs = _candidates(unit, unit[queries], k + 1)
    if len(pairs.query) > _PAIRS and len(queries) > 1:
        return np.concatenate([most_similar(unit, half, k) for half in np.array_split(queries, 2)])
    return ranked(unit, queries, pairs, k)


def ranked(unit: Float32, queries: Int64, pairs: Pairs, k: int) -> Int64:
    """Return the k most similar rows [n, k] of each query [n] among at least k candidates but itself.

    The score of a pair is its inner product. Where float32 cannot tell which is larger, float64 does.
    """
    pairs = pairs.at(pairs.row != queries[pairs.query]).best_first()
    near = (np.diff(pairs.query) == 0) & (np.diff(pairs.score) > -TIE)
    unclear = np.flatnonzero(np.append(near, False) | np.append(False, near))
    values = pairs.score.astype(np.float64)
    values[unclear] = _exact_inner(unit, pairs.row[unclear], queries[pairs.query[unclear]])
    order = np.lexsort((pairs.row, -values, pairs.query))
    first = np.searchsorted(pairs.query, np.arange(len(queries)))
    best: Int64 = pairs.row[order][first[:, None] + np.arange(k)]
    return best


def best_scores(pairs: Pairs, queries: int, wanted: int) -> tuple[Pairs, Float32]:
    """Return the pairs that may be among the `wanted` best of their query, ties included, and the score [n]
    that this takes; every query must have as many."""
    pairs = pairs.best_first()
    first = np.searchsorted(pairs.query, np.arange(queries))
    needed: Float32 = pairs.score[first + wanted - 1] - TIE
    return pairs.at(pairs.score >= needed[pairs.query]), needed


def first_of_each(pairs: Pairs, count: int) -> Pairs:
    """Return the first pairs of each query, of pairs in the order of their queries."""
    place = np.arange(len(pairs.query)) - np.searchsorted(pairs.query, pairs.query)
    return pairs.at(place < count)


def reached_by(scores: Float32, wanted: int) -> Float32:
    """Return for each row of a table [n, m] a score [n] that at least `wanted` <= m of its columns reach.

    The `wanted` largest among the maxima of some columns each: not the largest such score, but a close one.
    """
    count, width = scores.shape
    together = _COLUMNS_TOGETHER if width // _COLUMNS_TOGETHER >= 2 * wanted else 1
    used = width // together * together
    maxima = scores[:, :used].reshape(count, together, -1).max(axis=1)
    last = maxima.shape[1] - wanted
    reached: Float32 = np.partition(maxima, last, axis=1)[:, last]
    return reached


def above(scores: Float32, needed: Float32, first_row: int) -> Pairs:
    """Return the pairs in a table of scores [n, m], its rows from `first_row` on, that reach `needed` [n]."""
    found = np.flatnonzero(scores >= needed[:, None])
    query, row = np.divmod(found, scores.shape[1])
    return Pairs(query, row + first_row, scores.ravel()[found])


def scored(unit: Float32, queries: Int64, pairs: Pairs) -> Pairs:
    """Return pairs, in the order of their queries, with their inner products in float32 as scores."""
    edges = np.searchsorted(pairs.query, np.arange(len(queries) + 1)).tolist()
    products = np.empty(len(pairs.row), dtype=np.float32)
    for query, (first, last) in zip(queries.tolist(), pairwise(edges), strict=True):
        np.matmul(unit[pairs.row[first:last]], unit[query], out=products[first:last])
    return Pairs(pairs.query, pairs.row, products)


def _candidates(unit: Float32, vectors: Float32, wanted: int) -> Pairs:
    """Return all pairs that may be among the `wanted` most similar ones of their query [n, D], wanted <= N.

    Stops early at more than _PAIRS of several queries.
    """
    scores = vectors @ unit[: max(_FIRST_ROWS, wanted)].T
    needed = reached_by(scores, wanted) - TIE
    found = [above(scores, needed, 0)]
    count, limit = len(found[0].query), 4 * wanted * len(vectors)
    room = np.empty((len(vectors), min(_ROWS_AT_ONCE, len(unit))), dtype=np.float32)
    for first in range(scores.shape[1], len(unit), _ROWS_AT_ONCE):
        rows = unit[first : first + _ROWS_AT_ONCE]
        table = np.matmul(vectors, rows.T, out=room if len(rows) == room.shape[1] else None)
        found.append(above(table, needed, first))
        count += len(found[-1].query)
        if count > limit:
            best, needed = best_scores(Pairs.joined(found), len(vectors), wanted)
            found, count = [best], len(best.query)
            limit = max(limit, 2 * count)
        if count > _PAIRS and len(vectors) > 1:
            break
    return best_scores(Pairs.joined(found), len(vectors), wanted)[0]


def _exact_inner(unit: Float32, left: Int64, right: Int64) -> Float64:
    """Return the inner product [P] of pairs of rows in float64, the same for equal rows wherever they are."""
    products = np.empty(len(left))
    for here in _few(len(left), unit.shape[1]):
        rows, others = unit[left[here]].astype(np.float64), unit[right[here]].astype(np.float64)
        products[here] = np.einsum("pd,pd->p", rows, others)
    return products


def _few(count: int, width: int) -> Iterator[slice]:
    step = max(_VALUES_AT_ONCE // width, 1)
    for first in range(0, count, step):
        yield slice(first, first + step)
