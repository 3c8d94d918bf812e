"""Rows as k-means sees them: checked once, centred or scaled, in memory when they fit."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.rows import Float32, Rows


class Points:
    """Rows [N, D], moved to mean zero (so that float32 distances keep their digits) or scaled to unit length.

    Kept as one float32 array when it takes at most `memory_bytes`, read again on every pass otherwise.
    `offset` [D] float32 was subtracted; `variance` is the mean over the columns. Raises UserError for values
    that are not finite.
    """

    def __init__(self, rows: Rows, *, spherical: bool, memory_bytes: int) -> None:
        self._rows, self.spherical = rows, spherical
        self.count, self.width = rows.shape
        self.offset: Float32 = np.zeros(self.width, dtype=np.float32)
        fits = self.count * self.width * 4 <= memory_bytes
        held: Float32 | None = np.empty(rows.shape, dtype=np.float32) if fits else None
        total, squares, first = np.zeros(self.width), np.zeros(self.width), 0
        for block in rows.blocks():
            require_finite(block, rows.space)
            block = unit_length(block) if spherical else block
            total += block.sum(axis=0, dtype=np.float64)
            squares += np.einsum("nd,nd->d", block, block, dtype=np.float64)
            if held is not None:
                held[first : first + len(block)] = block
            first += len(block)
        mean = total / self.count
        self.variance = float(np.maximum(squares / self.count - mean**2, 0).mean())
        if not spherical:
            self.offset = mean.astype(np.float32)
            if held is not None:
                held -= self.offset
        self._held = held

    def blocks(self, rows: int) -> Iterator[Float32]:
        """Yield all points in order, at most `rows` at a time."""
        if self._held is None:
            yield from map(self._prepare, self._rows.blocks(rows))
        else:
            for first in range(0, self.count, rows):
                yield self._held[first : first + rows]

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        """Return the points at `indices` [M] as [M, D]."""
        if self._held is None:
            return self._prepare(self._rows.take(indices))
        return self._held[indices]

    def _prepare(self, block: Float32) -> Float32:
        return unit_length(block) if self.spherical else block - self.offset
