"""Candidates for nearest neighbours: rows in the cells around a query, compared in a few dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from clusterprobe.cluster.kmeans import fit_kmeans
from clusterprobe.cluster.nearest import Centres, Int64
from clusterprobe.cluster.similarity import Pairs, above, reached_by
from clusterprobe.features.pca import ReducedRows, fit_pca
from clusterprobe.store.rows import ArrayRows, Float32
from clusterprobe.store.threads import in_order

_DIMS = 128
_SAMPLE = 50_000
_ROWS_PER_CELL = 200
_LARGEST_CELL = 256
_FIRST_CELLS = 8
_PASSES = 8


class Cells:
    """Rows [N, D] in at most 128 principal components, sorted into cells of at most 256 rows.

    Cells are clusters of about 200 rows; larger clusters make several cells. An inverted file, as of Jegou,
    Douze and Schmid, Product quantization for nearest neighbor search, IEEE Trans. PAMI 33, 2011, section 4,
    in whose cells queries are compared with all rows at once.
    """

    def __init__(self, rows: Float32) -> None:
        generator = np.random.default_rng(0)
        sample = np.sort(generator.choice(len(rows), min(len(rows), _SAMPLE), replace=False))
        pca = fit_pca(ArrayRows(rows[sample]))
        reduced = ReducedRows(ArrayRows(rows), pca, min(_DIMS, pca.rank), whiten=False, normalise=False)
        values = np.concatenate(list(in_order(lambda part: part.read(), reduced.parts())))
        k = max(len(rows) // _ROWS_PER_CELL, 1)
        model = fit_kmeans(ArrayRows(values[sample]), min(k, len(sample)), 0, max_iterations=_PASSES)
        centres = Centres(model.centres)
        labels = np.concatenate(
            list(in_order(centres.nearest, np.array_split(values, len(values) // 4096 + 1)))
        )
        self._order = np.argsort(labels, kind="stable")
        self._sorted = values[self._order]
        self._half_norms: Float32 = 0.5 * np.einsum("nd,nd->n", self._sorted, self._sorted)
        self._starts, owners = _cut(np.bincount(labels, minlength=len(model.centres)))
        self._centres = Centres(model.centres[owners])
        self._values = values

    @property
    def count(self) -> int:
        """The number of cells."""
        return len(self._starts) - 1

    def candidates(self, queries: Int64, cells: int, wanted: int) -> Pairs:
        """Return for each of the rows `queries` [n] at least the `wanted` nearest rows of the nearest cells.

        A query whose nearest 8 cells hold fewer rows gets all rows of its cells.
        """
        vectors = self._values[queries]
        probed = self._centres.nearest_many(vectors, min(cells, self.count))
        needed = self._needed(vectors, probed[:, :_FIRST_CELLS], wanted)
        return Pairs.joined(list(self._scored(vectors, probed, needed)))

    def _needed(self, vectors: Float32, probed: Int64, wanted: int) -> Float32:
        """Return the score [n] of the `wanted` best row in the nearest cells [n, 8]."""
        table = np.full((len(vectors), probed.shape[1] * _LARGEST_CELL), -np.inf, dtype=np.float32)
        room = table.reshape(len(vectors), probed.shape[1], _LARGEST_CELL)
        for cell, query, rank in _by_cell(probed):
            scores = self._scores(vectors[query], cell)
            room[query, rank, : scores.shape[1]] = scores
        return reached_by(table, min(wanted, table.shape[1]))

    def _scored(self, vectors: Float32, probed: Int64, needed: Float32) -> Iterator[Pairs]:
        for cell, query, _ in _by_cell(probed):
            found = above(self._scores(vectors[query], cell), needed[query], int(self._starts[cell]))
            yield Pairs(query[found.query], self._order[found.row], found.score)

    def _scores(self, vectors: Float32, cell: int) -> Float32:
        here = slice(self._starts[cell], self._starts[cell + 1])
        scores: Float32 = vectors @ self._sorted[here].T
        scores -= self._half_norms[here]
        return scores


def _by_cell(probed: Int64) -> Iterator[tuple[int, Int64, Int64]]:
    """Yield each cell that is probed [n, P] with the queries that do and its rank among their cells."""
    order = np.argsort(probed, axis=None, kind="stable")
    cells = probed.ravel()[order]
    query, rank = np.divmod(order, probed.shape[1])
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
