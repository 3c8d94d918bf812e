"""Rows as k-means sees them: checked once, centred or scaled, in memory when they fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple, TypeVar

import numpy as np

from clusterprobe.cluster.nearest import ROWS_PER_BLOCK, Float64, Int64, block_rows
from clusterprobe.cluster.screen import leading_axes
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.rows import ArrayRows, Float32, Part, Rows
from clusterprobe.store.threads import in_order

R = TypeVar("R")

_LEADING_SHARE = 0.9  # of the variance: passes along fewer axes end too far from a good start
_SAMPLED_FOR_AXES = 20_000
_BLOCKS = 8  # of many narrow points that are held: enough for several threads
_ALIGNED = 16  # numbers of axes are multiples of it


@dataclass(frozen=True)
class Points:
    """Rows [N, D], moved to mean zero (so that float32 distances keep their digits) or scaled to unit length.

    `offset` [D] float32 is subtracted; `variance` is the mean over the columns. Where they fit into
    `memory_bytes`, the points themselves are `held`, otherwise they are made anew of `rows` in every pass.
    `derived` points are a sample of others or lie along axes of others.
    """

    rows: Rows
    spherical: bool
    memory_bytes: int
    offset: Float32
    variance: float
    held: bool
    derived: bool = False

    @classmethod
    def of(cls, rows: Rows, *, spherical: bool, memory_bytes: int) -> Points:
        """Look at all rows [N, D] once, block by block. Raises UserError for values that are not finite."""
        count, width = rows.shape
        kept = np.empty(rows.shape, np.float32) if _fits(rows.shape, memory_bytes) else None
        shift = _scaled(rows.take(np.arange(min(count, 64))), spherical).mean(axis=0)

        def look(part: Part) -> tuple[Float64, float]:
            """Keep a block [n, D]; return the sums [D] of its points less `shift`, and of their squares."""
            block = part.read()
            require_finite(block, rows.space)
            block = _scaled(block, spherical)
            if kept is not None:
                kept[part.where] = block
            shifted = block - shift
            norms = np.einsum("nd,nd->n", shifted, shifted)
            return shifted.sum(axis=0, dtype=np.float64), float(norms.sum(dtype=np.float64))

        total, squares = np.zeros(width), 0.0
        for sums, here in in_order(look, rows.parts(block_rows(width))):
            total += sums
            squares += here
        mean = shift + total / count
        variance = max(squares / count - float(np.square(total / count).sum()), 0.0) / width
        offset = np.zeros(width, np.float32) if spherical else mean.astype(np.float32)
        if kept is None:
            return cls(rows, spherical, memory_bytes, offset, variance, held=False)
        if not spherical:
            for _ in in_order(partial(_move, offset), ArrayRows(kept).blocks()):
                pass
        source = ArrayRows(kept, rows.space, rows.content)
        return cls(source, spherical, memory_bytes, offset, variance, held=True)

    @property
    def space(self) -> str:
        return self.rows.space

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows.shape

    @property
    def count(self) -> int:
        return self.rows.shape[0]

    @property
    def width(self) -> int:
        return self.rows.shape[1]

    @cached_property
    def leading(self) -> Leading | None:
        """The points along the axes that keep 90 % of their variance, if these are at most half of all.

        Derived points have none.
        """
        if self.derived:
            return None
        chosen = np.random.default_rng(0).choice(
            self.count, min(self.count, _SAMPLED_FOR_AXES), replace=False
        )
        sample = self.take(np.sort(chosen))
        axes = leading_axes(sample, self.width // 2)
        kept = np.cumsum(np.square(sample @ axes).sum(axis=0, dtype=np.float64))
        enough = int(np.searchsorted(kept, _LEADING_SHARE * np.square(sample).sum(dtype=np.float64))) + 1
        number = -(-enough // _ALIGNED) * _ALIGNED
        if number > axes.shape[1]:
            return None
        axes = np.ascontiguousarray(axes[:, :number])
        rows: Rows = _Along(self, axes)
        held = _fits(rows.shape, self.memory_bytes - (4 * self.count * self.width if self.held else 0))
        if held:
            values = np.empty(rows.shape, np.float32)

            def keep(part: Part) -> None:
                values[part.where] = part.read()

            for _ in in_order(keep, rows.parts(block_rows(number))):
                pass
            rows = ArrayRows(values, rows.space, rows.content)
        origin, variance = np.zeros(number, np.float32), self.variance * self.width / number
        return Leading(Points(rows, False, self.memory_bytes, origin, variance, held, derived=True), axes)

    def map(self, work: Callable[[slice, Float32], R]) -> Iterator[R]:
        """Yield work(where, block) for all points in blocks, in order; several threads work at once."""
        most = max(ROWS_PER_BLOCK, self.count // _BLOCKS) if self.held else ROWS_PER_BLOCK
        parts = self.rows.parts(block_rows(self.width, most))
        return in_order(lambda part: work(part.where, self._points(part.read())), parts)

    def take(self, indices: Int64) -> Float32:
        """Return the points at `indices` [M] as [M, D]."""
        return self._points(self.rows.take(indices))

    def sample(self, indices: Int64) -> Points:
        """Return some of the points, in the order of `indices` [M]; of the same offset and variance."""
        rows: Rows = _Subset(self.rows, indices)
        held = _fits(rows.shape, self.memory_bytes)
        if held:
            rows = ArrayRows(self.take(indices), rows.space, rows.content)
        kept = held or self.held
        return Points(rows, self.spherical, self.memory_bytes, self.offset, self.variance, kept, derived=True)

    def _points(self, block: Float32) -> Float32:
        if self.held:
            return block
        return unit_length(block) if self.spherical else block - self.offset


class Leading(NamedTuple):
    """Points [N, m] along some orthonormal axes [D, m] of others."""

    points: Points
    axes: Float32

    def of_block(self, where: slice | Int64, block: Float32) -> Float32:
        """Return the points [n, m] that a block [n, D] of the others holds, which are those `where`."""
        rows = self.points.rows
        return rows.values[where] if isinstance(rows, ArrayRows) else block @ self.axes


@dataclass(frozen=True)
class _Along:
    """Points [N, D] along orthonormal axes [D, m], as rows that are made whenever they are asked for."""

    points: Points
    axes: Float32

    @property
    def space(self) -> str:
        return self.points.space

    @property
    def content(self) -> str:
        return self.points.rows.content

    @property
    def shape(self) -> tuple[int, int]:
        return self.points.count, self.axes.shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for part in self.points.rows.parts(rows):
            yield Part(part.where, partial(self._read, part))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: Int64) -> Float32:
        return self.points.take(indices) @ self.axes

    def _read(self, part: Part) -> Float32:
        return self.points._points(part.read()) @ self.axes


@dataclass(frozen=True)
class _Subset:
    """Some of the rows of a matrix, read from it whenever they are asked for."""

    whole: Rows
    indices: Int64

    @property
    def space(self) -> str:
        return self.whole.space

    @property
    def content(self) -> str:
        return self.whole.content

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.indices), self.whole.shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for first in range(0, len(self.indices), rows):
            chosen = self.indices[first : first + rows]
            yield Part(slice(first, first + len(chosen)), partial(self.whole.take, chosen))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: Int64) -> Float32:
        return self.whole.take(self.indices[indices])


def _move(offset: Float32, block: Float32) -> None:
    block -= offset


def _fits(shape: tuple[int, int], memory_bytes: int) -> bool:
    return shape[0] * shape[1] * 4 <= memory_bytes


def _scaled(block: Float32, spherical: bool) -> Float32:
    return unit_length(block) if spherical else block
