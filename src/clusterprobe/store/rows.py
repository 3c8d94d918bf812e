"""A matrix of features that is read in blocks, wherever it lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Float16 = npt.NDArray[np.float16]
Float32 = npt.NDArray[np.float32]

_AT_ONCE = 2**16  # values that are widened at a time: they stay in the cache
_SIGN_AND_MAGNITUDE = np.int32(-0x70002000)  # the bits of a float16 once they are moved to those of a float32
_EXPONENTS_APART = np.float32(2.0**112)
_NOT_FINITE = np.uint16(0x7C00)


class Part(NamedTuple):
    """Where in the matrix some rows [n, D] are, and what reads them as C-contiguous float32."""

    where: slice
    read: Callable[[], Float32]


class Rows(Protocol):
    """N feature rows of width D. `space` names the vector space, `content` the images behind the rows."""

    @property
    def space(self) -> str: ...

    @property
    def content(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int]: ...

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        """Yield all rows in order as parts of at most `rows` rows; several threads may read at once."""
        ...

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        """Yield all rows in order as C-contiguous float32 blocks of at most `rows` rows."""
        ...

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        """Return the rows at `indices` [M] as float32 [M, D], in the order asked for."""
        ...


class ArrayRows:
    """Rows held in memory."""

    def __init__(self, values: npt.ArrayLike, space: str = "", content: str = "") -> None:
        array = np.ascontiguousarray(values, dtype=np.float32)
        if array.ndim != 2:
            raise ValueError(f"rows must form a matrix [N, D], not an array of shape {array.shape}")
        self.values, self.space, self.content = array, space, content

    @property
    def shape(self) -> tuple[int, int]:
        return self.values.shape[0], self.values.shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for first in range(0, len(self.values), rows):
            where = slice(first, min(first + rows, len(self.values)))
            yield Part(where, partial(self.values.__getitem__, where))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        return self.values[indices]


def widen(values: Float16) -> Float32:
    """Return float16 values [n, D] as float32, bit by bit the same numbers, several times as fast as astype.

    The bits of a float16, moved to their place in a float32, are the number times 2^-112: numbers that are
    subnormal as float16 included, infinities and NaN not, which therefore take the plain way.
    """
    wide = np.empty(values.shape, dtype=np.float32)
    step = max(_AT_ONCE // max(values.shape[1], 1), 1)
    for first in range(0, len(values), step):
        narrow = np.ascontiguousarray(values[first : first + step])
        here = wide[first : first + step]
        if ((narrow.view(np.uint16) & _NOT_FINITE) == _NOT_FINITE).any():
            here[:] = narrow
            continue
        bits = here.view(np.int32)
        bits[:] = narrow.view(np.int16)
        bits <<= 13
        bits &= _SIGN_AND_MAGNITUDE
        here *= _EXPONENTS_APART
    return wide
