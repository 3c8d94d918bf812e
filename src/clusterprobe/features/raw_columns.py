"""Features taken for what they are not: for the deviation `raw-transfer-features`, and for nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import Float32, Part, Rows


class RawColumns:
    """The first columns of rows that were never reduced, under the space of rows that were.

    So the published code of arXiv 2008.10312 (cluster.py, lines 275-278 and 291) meets its centres, which are
    principal components, with features of the transfer set as they come. `reduced` are rows of the fit: their
    width D is taken over, and their space, which every other row has to earn. Components without variance,
    which a basis here leaves out, are 0 in all centres: the columns that stand for them decide nothing.
    """

    def __init__(self, rows: Rows, reduced: Rows) -> None:
        if rows.shape[1] < reduced.shape[1]:
            raise UserError(f"features of {rows.shape[1]} columns cannot stand for {reduced.shape[1]}")
        self._rows, self._width = rows, reduced.shape[1]
        self.space, self.content = reduced.space, rows.content
        print(
            f"raw-transfer-features: {self._width} of {rows.shape[1]} columns of {rows.space!r} are taken "
            f"for {self.space!r}, as published",
            file=sys.stderr,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return self._rows.shape[0], self._width

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for part in self._rows.parts(rows):
            yield Part(part.where, partial(self._read, part))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        return np.ascontiguousarray(self._rows.take(indices)[:, : self._width])

    def _read(self, part: Part) -> Float32:
        return np.ascontiguousarray(part.read()[:, : self._width])
