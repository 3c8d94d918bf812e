"""Candidates for nearest neighbours: rows in the cells around a query, compared in a few dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from clusterprobe.cluster.kmeans import fit_kmeans
from clusterprobe.cluster.nearest import Centres, Int64
from clusterprobe.cluster.screen import leading_axes
from clusterprobe.cluster.similarity import Pairs, above, largest, reached_by
from clusterprobe.store.rows import ArrayRows, Float32
from clusterprobe.store.threads import in_order

_DIMS = 128
_SAMPLE = 50_000
_ROWS_PER_CELL = 128
_SAMPLED_PER_CELL = 8
_LARGEST_CELL = 256
_FIRST_CELLS = 4  # at least, and enough for four times as many rows as are wanted
_PASSES = 1
_BLOCK = 8192
_SCORES_AT_ONCE = 2**19  # 2 MiB of float32, about what a cache near the core holds
_TINY = 1e-6


class Cells:
    """Rows [N, D] of unit length in at most 128 dimensions, sorted into cells of at most 256 rows.

    The dimensions are those that keep most of the inner products. Cells are clusters of about 128 rows;
    larger clusters make several cells. An inverted file, as of Jegou, Douze and Schmid, Product quantization
    for nearest neighbor search, IEEE Trans. PAMI 33, 2011, section 4, in whose cells queries are compared
    with all rows at once. How many cells are searched differs from query to query: q needs some score to be
    among the best of its nearest few cells, and all cells are searched in which a row may well have it, that
    is whose centre c has q.c >= needed - reach |q| s, with s the deviation of rows from c in one dimension.
    """

    def __init__(self, rows: Float32) -> None:
        generator = np.random.default_rng(0)
        sample = np.sort(generator.choice(len(rows), min(len(rows), _SAMPLE), replace=False))
        axes = leading_axes(rows[sample], _DIMS)
        blocks = np.array_split(rows, len(rows) // _BLOCK + 1)
        values = np.concatenate(list(in_order(lambda block: block @ axes, blocks)))
        k = max(min(len(rows) // _ROWS_PER_CELL, len(sample) // _SAMPLED_PER_CELL), 1)
        model = fit_kmeans(ArrayRows(values[sample]), k, 0, max_iterations=_PASSES)
        blocks = np.array_split(values, len(values) // _BLOCK + 1)
        found = list(in_order(Centres(model.centres).nearest_distance, blocks))
        distances, labels = (np.concatenate(column) for column in zip(*found, strict=True))
        sizes = np.bincount(labels, minlength=k)
        self._order = np.argsort(labels, kind="stable")
        self._sorted = values[self._order]
        self._place = np.argsort(self._order)
        self._starts, owners = _cut(sizes)
        self._centres = model.centres[owners]
        variances = np.bincount(labels, distances, minlength=k)[owners] / sizes[owners] / values.shape[1]
        self._spread: Float32 = np.maximum(np.sqrt(variances), _TINY).astype(np.float32)

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self._starts) - 1

    def together(self, queries: Int64) -> Int64:
        """Return the rows `queries` [n] in an order in which those of a cell follow each other."""
        return queries[np.argsort(self._place[queries])]

    def candidates(self, queries: Int64, reach: float, wanted: int) -> Pairs:
        """Return for each of the rows `queries` [n] the nearest rows, at least `wanted`, of the near cells.

        A query whose nearest few cells hold fewer rows gets all rows of its cells.
        """
        vectors = self._sorted[self._place[queries]]
        needed = self._needed(vectors, wanted)
        return Pairs.joined(list(self._scored(vectors, reach, needed)))

    def reaches(self, queries: Int64, rows: Int64, wanted: int) -> Float32:
        """Return how far the rows `queries` [n] must reach for the cell of each of their `rows` [n, k]."""
        vectors = self._sorted[self._place[queries]]
        cells = np.searchsorted(self._starts, self._place[rows], side="right") - 1
        scores = np.einsum("nkd,nd->nk", self._centres[cells], vectors)
        missing = self._needed(vectors, wanted)[:, None] - scores
        reaches: Float32 = missing / (_lengths(vectors)[:, None] * self._spread[cells])
        return reaches

    def searched(self, queries: Int64, reach: float, wanted: int) -> float:
        """Return the share of all rows that are compared with the rows `queries` [n], on average."""
        vectors = self._sorted[self._place[queries]]
        near = self._near(vectors, reach, self._needed(vectors, wanted))
        sizes = np.diff(self._starts)
        compared = sum(len(query) * int(sizes[cell]) for cell, query, _ in near)
        return compared / len(queries) / len(self._order)

    def _needed(self, vectors: Float32, wanted: int) -> Float32:
        """Return the score [n] of about the `wanted` best row in the nearest few cells."""
        probed = self._nearest(vectors, max(_FIRST_CELLS, -(-4 * wanted // _ROWS_PER_CELL)))
        table = np.full((len(vectors), probed.shape[1] * _LARGEST_CELL), -np.inf, dtype=np.float32)
        room = table.reshape(len(vectors), probed.shape[1], _LARGEST_CELL)
        queries, ranks = np.divmod(np.arange(probed.size), probed.shape[1])
        for cell, query, rank in _by_cell(queries, probed.ravel(), ranks):
            scores = self._scores(vectors[query], cell)
            room[query, rank, : scores.shape[1]] = scores
        return reached_by(table, min(wanted, table.shape[1]))

    def _scored(self, vectors: Float32, reach: float, needed: Float32) -> Iterator[Pairs]:
        for cell, query, _ in self._near(vectors, reach, needed):
            found = above(self._scores(vectors[query], cell), needed[query], int(self._starts[cell]))
            yield Pairs(query[found.query], self._order[found.row], found.score)

    def _scores(self, vectors: Float32, cell: int) -> Float32:
        scores: Float32 = vectors @ self._sorted[self._starts[cell] : self._starts[cell + 1]].T
        return scores

    def _nearest(self, vectors: Float32, count: int) -> Int64:
        """Return the cells [n, count] whose centres score best, in any order; all, if they are fewer."""
        return np.concatenate([largest(table, count) for _, table in self._tables(vectors)])

    def _near(self, vectors: Float32, reach: float, needed: Float32) -> Iterator[tuple[int, Int64, Int64]]:
        """Yield each cell that some queries reach, with these; the nearest cell of each is among them."""
        queries, cells = [], []
        room = reach * _lengths(vectors)
        for here, table in self._tables(vectors):
            table += room[here, None] * self._spread
            query, cell = np.nonzero(table >= np.minimum(needed[here], table.max(axis=1))[:, None])
            queries.append(query + here.start)
            cells.append(cell)
        reaching = np.concatenate(queries)
        return _by_cell(reaching, np.concatenate(cells), reaching)

    def _tables(self, vectors: Float32) -> Iterator[tuple[slice, Float32]]:
        """Yield the scores [m, cells] of centres for a few queries at a time, with where these are."""
        rows = max(_SCORES_AT_ONCE // self.count, 128)
        for first in range(0, len(vectors), rows):
            part = vectors[first : first + rows]
            yield slice(first, first + len(part)), part @ self._centres.T


def _lengths(vectors: Float32) -> Float32:
    """Return the length [n] of each vector [n, D], a little more than nothing for zeros."""
    lengths: Float32 = np.sqrt(np.einsum("nd,nd->n", vectors, vectors))
    return np.maximum(lengths, np.float32(_TINY))


def _by_cell(query: Int64, cells: Int64, rank: Int64) -> Iterator[tuple[int, Int64, Int64]]:
    """Yield each cell with its queries and their ranks, of pairs of a query and a cell."""
    # numpy sorts small integers in linear time
    keys = cells.astype(np.uint16) if cells.max(initial=0) < 2**16 else cells
    order = np.argsort(keys, kind="stable")
    cells, query, rank = cells[order], query[order], rank[order]
    edges = np.flatnonzero(np.diff(cells, prepend=-1, append=-1))
    for first, last in pairwise(edges.tolist()):
        yield int(cells[first]), query[first:last], rank[first:last]


def _cut(sizes: Int64) -> tuple[Int64, Int64]:
    """Cut clusters of some sizes [K] into cells; return where these start [M + 1] and their clusters [M]."""
    pieces = -(-sizes // _LARGEST_CELL)
    owners = np.repeat(np.arange(len(sizes)), pieces)
    number = np.arange(len(owners)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = (np.cumsum(sizes) - sizes)[owners] + number * _LARGEST_CELL
    return np.append(starts, sizes.sum()), owners
