"""Centres that are first compared with points along a few axes, which rules out nearly all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from clusterprobe.cluster.nearest import Centres, Int32, Int64
from clusterprobe.cluster.similarity import Pairs, above, pair_products
from clusterprobe.store.rows import Float32

Where = slice | Int64
"""Which points a block holds: their numbers."""

_PRODUCT_OF_PAIR = 32  # what one product of a pair of rows costs, in those of large matrices
_SCORES_AT_ONCE = 2**19  # 2 MiB of float32, about what a cache near the core holds
_SLACK = np.float32(1e-5)  # relative to |x|^2 + |c|^2: more than float32 products are wrong by


class ScreenedCentres:
    """Centres [K, D] that are compared in full only with points that may well be nearest to them.

    With x' and c' along some axes [D, m], the score x.c - |c|^2 / 2 of the nearest centre lies within
    |x - x'| |c - c'| of x'.c' - |c|^2 / 2 (Cauchy and Schwarz). What centres leave out is short, as they are
    means: mostly one or two of them can be the nearest. `along` makes x' [n, m] of a block of points [n, D].
    """

    def __init__(self, values: Float32, axes: Float32, along: Callable[[Where, Float32], Float32]) -> None:
        self.values, self._along = values, along
        self._all = Centres(values)
        squares: Float32 = np.einsum("kd,kd->k", values, values)
        short = values @ axes
        self._half_norms: Float32 = np.float32(0.5) * squares
        self._left_out = _remainder(squares, short)
        table = np.column_stack([short, self._left_out, -self._half_norms])
        self._bounding = np.ascontiguousarray(table.T, dtype=np.float32)
        self._rows = max(_SCORES_AT_ONCE // len(values), 128)
        self._many = max(len(values) // _PRODUCT_OF_PAIR, 2)

    def nearest(self, where: Where, block: Float32) -> Int32:
        """Return the index [n] of the centre nearest to each point [n, D]; ties go to the lower index."""
        found = np.empty(len(block), dtype=np.int32)
        for here, pairs in self._candidates(where, block, 1):
            alone = np.bincount(pairs.query)[pairs.query] == 1
            found[here.start + pairs.query[alone]] = pairs.row[alone]
            rest = self._best_first(block[here], pairs.at(~alone))
            first = np.flatnonzero(np.diff(rest.query, prepend=-1))
            found[here.start + rest.query[first]] = rest.row[first]
        return found

    def nearest_two(self, where: Where, block: Float32) -> tuple[Int32, Int32]:
        """Return the indices [n] of the nearest and of the second nearest centre."""
        best, second, _ = self._two(where, block)
        return best, second

    def nearest_and_second_score(self, where: Where, block: Float32) -> tuple[Int32, Float32]:
        """Return the index [n] of the nearest centre and the score [n] of the second nearest."""
        best, _, score = self._two(where, block)
        return best, score

    def cost(self, where: Where, sample: Float32, count: int) -> float:
        """Return what comparing a point costs, in products of large matrices, from some points [n, D]."""
        found = [np.bincount(pairs.query) for _, pairs in self._possible(where, sample, count)]
        compared = np.concatenate(found) * _PRODUCT_OF_PAIR
        compared[compared <= _PRODUCT_OF_PAIR] = 0  # known without a product
        compared = np.minimum(compared, len(self.values))
        return float(self._bounding.size + compared.mean() * self.values.shape[1])

    def _two(self, where: Where, block: Float32) -> tuple[Int32, Int32, Float32]:
        best, second = np.empty(len(block), np.int32), np.empty(len(block), np.int32)
        score = np.empty(len(block), np.float32)
        for here, pairs in self._candidates(where, block, 2):
            ranked = self._best_first(block[here], pairs)
            first = np.flatnonzero(np.diff(ranked.query, prepend=-1))
            best[here], second[here] = ranked.row[first], ranked.row[first + 1]
            score[here] = ranked.score[first + 1]
        return best, second, score

    def _candidates(self, where: Where, block: Float32, count: int) -> Iterator[tuple[slice, Pairs]]:
        """Yield pairs as `_possible` does, but for points with many only those with their `count` nearest."""
        for here, pairs in self._possible(where, block, count):
            many = np.flatnonzero(np.bincount(pairs.query) > self._many)
            if len(many):
                few = pairs.at(~np.isin(pairs.query, many))
                pairs = Pairs.joined([few, self._nearest_of_all(block[here], many, count)])
                pairs = pairs.at(np.argsort(pairs.query, kind="stable"))
            yield here, pairs

    def _nearest_of_all(self, block: Float32, rows: Int64, count: int) -> Pairs:
        """Compare some points of a block with all centres, which costs less than with many one by one."""
        nearest = self._all.nearest_two(block[rows])[:count]
        pairs = np.stack(nearest, axis=1).astype(np.int64)
        return Pairs(np.repeat(rows, count), pairs.ravel(), np.zeros(pairs.size, np.float32))

    def _possible(self, where: Where, block: Float32, count: int) -> Iterator[tuple[slice, Pairs]]:
        """Yield for a few points at a time all pairs with centres that may be among their `count` nearest."""
        squares: Float32 = np.einsum("nd,nd->n", block, block)
        short = self._along(where, block)
        left_out = _remainder(squares, short)
        points = np.column_stack([short, left_out, np.ones(len(block), np.float32)])
        slack = _SLACK * (squares + 2 * self._half_norms.max())
        for start in range(0, len(block), self._rows):
            here = slice(start, min(start + self._rows, len(block)))
            table = points[here] @ self._bounding
            yield here, above(table, self._surely(table, left_out[here], count) - slack[here], 0)

    def _surely(self, table: Float32, left_out: Float32, count: int) -> Float32:
        """Return a score [n] that `count` centres reach, those with the largest of upper bounds [n, K]."""
        own, bounds = np.arange(len(table)), []
        for _ in range(count):
            best = table.argmax(axis=1)
            bounds.append((best, table[own, best]))
            table[own, best] = -np.inf
        for best, bound in bounds:
            table[own, best] = bound
        reached = [bound - 2 * left_out * self._left_out[best] for best, bound in bounds]
        lowest: Float32 = np.minimum.reduce(reached)
        return lowest

    def _best_first(self, block: Float32, pairs: Pairs) -> Pairs:
        """Return pairs with their scores, by point [n, D] and falling score, ties by index."""
        scores = pair_products(block, pairs.query, self.values, pairs.row) - self._half_norms[pairs.row]
        return pairs._replace(score=scores).at(np.lexsort((pairs.row, -scores, pairs.query)))


def _remainder(squares: Float32, short: Float32) -> Float32:
    """Return the length [n] of what vectors of some squared lengths [n] leave out along axes [n, m]."""
    left: Float32 = squares - np.einsum("nm,nm->n", short, short)
    remainder: Float32 = np.sqrt(np.maximum(left, 0) + _SLACK * squares)
    return remainder
