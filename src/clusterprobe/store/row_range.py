"""Some consecutive rows of a matrix, as one process of several has them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from clusterprobe.store.rows import Float32, Part, Rows


class RowRange:
    """The rows [n, D] at `where` of other rows, under their space; wherever shards begin and end."""

    def __init__(self, rows: Rows, where: slice) -> None:
        self._rows, self._where = rows, where
        self.space, self.content = rows.space, rows.content

    @property
    def shape(self) -> tuple[int, int]:
        return self._where.stop - self._where.start, self._rows.shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        start = self._where.start
        for part in self._rows.parts(rows):
            first, last = max(part.where.start, start), min(part.where.stop, self._where.stop)
            if first < last:
                inside = slice(first - part.where.start, last - part.where.start)
                yield Part(slice(first - start, last - start), partial(_read, part, inside))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        return self._rows.take(indices + self._where.start)


def _read(part: Part, inside: slice) -> Float32:
    return part.read()[inside]
