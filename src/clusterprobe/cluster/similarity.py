"""Which rows are most similar to which: float32 products choose, float64 products decide near-ties."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.nearest import few_at_a_time
from clusterprobe.cluster.screen import Screen
from clusterprobe.store.rows import Float32

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_ROWS_AT_ONCE = 4096
_FIRST_ROWS = 16384
_COLUMNS_TOGETHER = 16
_PAIRS = 2**23  # candidates of a group of queries; where ties make more, the group is split
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


def most_similar(unit: Float32, queries: Int64, k: int, screen: Screen | None = None) -> Int64:
    """Return the k other rows [n, k] with the largest inner product with each of the rows `queries` [n].

    `unit` [N, D] holds rows of unit length, k < N. Largest first, equal ones by index. A screen of these rows
    changes nothing but what it takes: only pairs whose bounds are large enough are multiplied.
    """
    if screen is None:
        pairs = _candidates(unit, unit[queries], _Best(len(queries), k + 1, lambda pairs: pairs))
    else:
        exactly = partial(scored, unit, queries)
        pairs = _candidates(screen.table, screen.table[queries], _Best(len(queries), k + 1, exactly))
    if pairs is None:
        halves = np.array_split(queries, 2)
        return np.concatenate([most_similar(unit, half, k, screen) for half in halves])
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
    return pairs.at(place_in_query(pairs) < count)


def place_in_query(pairs: Pairs) -> Int64:
    """Return which pair of its query each is, from 0 on, of pairs in the order of their queries."""
    place: Int64 = np.arange(len(pairs.query)) - np.searchsorted(pairs.query, pairs.query)
    return place


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


def largest(scores: Float32, count: int) -> Int64:
    """Return the columns [n, min(count, m)] of the largest scores in each row of a table [n, m], unordered.

    Of columns that are taken together only those with the largest maxima are looked at one by one.
    """
    groups = -(-scores.shape[1] // _COLUMNS_TOGETHER)
    if groups <= count:
        return _largest(scores, count)
    padded = np.full((len(scores), groups * _COLUMNS_TOGETHER), -np.inf, dtype=np.float32)
    padded[:, : scores.shape[1]] = scores
    together = padded.reshape(len(scores), groups, _COLUMNS_TOGETHER)
    chosen = _largest(together.max(axis=2), count)
    few = np.take_along_axis(together, chosen[:, :, None], axis=1).reshape(len(scores), -1)
    best = _largest(few, count)
    group = np.take_along_axis(chosen, best // _COLUMNS_TOGETHER, axis=1)
    return group * _COLUMNS_TOGETHER + best % _COLUMNS_TOGETHER


def _largest(scores: Float32, count: int) -> Int64:
    last = max(scores.shape[1] - count, 0)
    return np.argpartition(scores, last, axis=1)[:, last:]


def above(scores: Float32, needed: Float32, first_row: int) -> Pairs:
    """Return the pairs in a table of scores [n, m], its rows from `first_row` on, that reach `needed` [n]."""
    found = np.flatnonzero(scores >= needed[:, None])
    query, row = np.divmod(found, scores.shape[1])
    return Pairs(query, row + first_row, scores.ravel()[found])


def scored(unit: Float32, queries: Int64, pairs: Pairs) -> Pairs:
    """Return pairs, in the order of their queries, with their inner products in float32 as scores."""
    edges = np.searchsorted(pairs.query, np.arange(len(queries) + 1))
    products = np.empty(len(pairs.row), dtype=np.float32)
    most = min(np.diff(edges).max(initial=0), _ROWS_AT_ONCE)
    room = np.empty((most, unit.shape[1]), dtype=np.float32)
    for query, (first, last) in zip(queries.tolist(), pairwise(edges.tolist()), strict=True):
        for here in range(first, last, _ROWS_AT_ONCE):
            chosen = pairs.row[here : min(here + _ROWS_AT_ONCE, last)]
            # mode "clip", as numpy would check and copy once more otherwise
            rows = unit.take(chosen, axis=0, out=room[: len(chosen)], mode="clip")
            np.matmul(rows, unit[query], out=products[here : here + len(chosen)])
    return Pairs(pairs.query, pairs.row, products)


def _candidates(rows: Float32, vectors: Float32, best: _Best) -> Pairs | None:
    """Return all pairs that may be among the best of their query [n, M] among the rows [N, M].

    None where these are more than _PAIRS of several queries.
    """
    best.start(vectors @ rows[: max(_FIRST_ROWS, best.wanted)].T)
    room = np.empty((len(vectors), min(_ROWS_AT_ONCE, len(rows))), dtype=np.float32)
    for first in range(max(_FIRST_ROWS, best.wanted), len(rows), _ROWS_AT_ONCE):
        part = rows[first : first + _ROWS_AT_ONCE]
        table = np.matmul(vectors, part.T, out=room if len(part) == room.shape[1] else None)
        best.add(above(table, best.needed, first))
        if best.count > _PAIRS and len(vectors) > 1:
            return None
    return best.finish()


class _Best:
    """Pairs that may be among the `wanted` best of their query, n queries, by bounds on their scores.

    Only those with the largest bounds are scored exactly on the way; the `wanted`-th best of their scores is
    what bounds must reach: `needed` [n].
    """

    def __init__(self, queries: int, wanted: int, exactly: Callable[[Pairs], Pairs]) -> None:
        self.wanted = wanted
        self.needed = np.full(queries, -np.inf, dtype=np.float32)
        self._exactly = exactly
        self._scored: list[Pairs] = []
        self._open: list[Pairs] = []
        self._limit = 4 * wanted * queries

    @property
    def count(self) -> int:
        """The number of pairs."""
        return sum(len(pairs.query) for pairs in self._scored + self._open)

    def start(self, bounds: Float32) -> None:
        """Take a first table of bounds [n, m], m >= wanted, of the first rows."""
        guess = above(bounds, reached_by(bounds, self.wanted) - TIE, 0)
        scored = self._exactly(first_of_each(guess.best_first(), self.wanted))
        _, self.needed = best_scores(scored, len(bounds), self.wanted)
        self.add(above(bounds, self.needed, 0))

    def add(self, pairs: Pairs) -> None:
        """Add pairs with bounds as scores; where they are many, those that cannot be the best any more go."""
        self._open.append(pairs)
        if self.count > self._limit:
            self._tighten()
            self._limit = max(self._limit, 2 * self.count)

    def finish(self) -> Pairs:
        """Return all pairs that may be among the best, with their scores."""
        pairs = self._possible(Pairs.joined(self._open))
        self._score(pairs.at(np.argsort(pairs.query, kind="stable")))
        return self._scored[0]

    def _tighten(self) -> None:
        pairs = Pairs.joined(self._open).best_first()
        first = place_in_query(pairs) < self.wanted
        self._score(pairs.at(first))
        self._open = [self._possible(pairs.at(~first))]

    def _score(self, pairs: Pairs) -> None:
        scored = Pairs.joined([*self._scored, self._exactly(pairs)])
        best, self.needed = best_scores(scored, len(self.needed), self.wanted)
        self._scored = [best]

    def _possible(self, pairs: Pairs) -> Pairs:
        return pairs.at(pairs.score >= self.needed[pairs.query])


def pair_products(left: Float32, rows: Int64, right: Float32, others: Int64) -> Float32:
    """Return the inner product [P] of `rows` [P] of one matrix and `others` [P] of another."""
    products = np.empty(len(rows), dtype=np.float32)
    for here in few_at_a_time(len(rows), left.shape[1]):
        np.einsum("pd,pd->p", left[rows[here]], right[others[here]], out=products[here])
    return products


def _exact_inner(unit: Float32, left: Int64, right: Int64) -> Float64:
    """Return the inner product [P] of pairs of rows in float64, the same for equal rows wherever they are."""
    products = np.empty(len(left))
    for here in few_at_a_time(len(left), unit.shape[1]):
        rows, others = unit[left[here]].astype(np.float64), unit[right[here]].astype(np.float64)
        products[here] = np.einsum("pd,pd->p", rows, others)
    return products
