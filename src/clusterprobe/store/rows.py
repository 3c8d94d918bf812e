"""A matrix of features that is read in blocks, wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


class Rows(Protocol):
    """N feature rows of width D. `space` names the vector space, `content` the images behind the rows."""

    @property
    def space(self) -> str: ...

    @property
    def content(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int]: ...

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

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for first in range(0, len(self.values), rows):
            yield self.values[first : first + rows]

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        return self.values[indices]
