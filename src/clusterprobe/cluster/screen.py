"""Bounds on inner products from a few dimensions, which rule out nearly all pairs of rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh

from clusterprobe.store.rows import Float32
from clusterprobe.store.threads import in_order

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_BLOCK = 8192
_SLACK = np.float32(4e-6)  # of a squared length of 1: more than float32 is wrong by
_SAMPLE = 20_000
_PROBES = 128
_NOTHING = 1e-9  # relative to the largest sum of squares
_ALIGNED = 16
_SIXTEENTHS = (1, 2, 3, 4, 6, 8)
_LEAST_ROWS = 20_000
_LEAST_WIDTH = 128
_PRODUCT_OF_PAIR = 50.0
"""What it costs to fetch two rows and multiply them, in products that are part of a large matrix product."""


class Screen:
    """Rows [N, D] of unit length along m axes, and the length of what these leave out.

    x.y <= x'.y' + |x - x'| |y - y'| by Cauchy and Schwarz, x' the part of x along the axes: `table`
    [N, m + 1] holds x' and |x - x'|, and the inner product of two of its rows is the bound.
    """

    def __init__(self, unit: Float32, axes: Float32) -> None:
        number = axes.shape[1]
        self.table = np.empty((len(unit), number + 1), dtype=np.float32)

        def project(first: int) -> None:
            here = self.table[first : first + _BLOCK]
            here[:, :number] = unit[first : first + _BLOCK] @ axes
            here[:, number] = _remainder(here[:, :number])

        for _ in in_order(project, range(0, len(unit), _BLOCK)):
            pass


def worthwhile_screen(unit: Float32, k: int) -> Screen | None:
    """Return the screen with which the k most similar of the rows `unit` [N, D] are found fastest, if any.

    How many pairs each number of axes would leave is measured on a sample.
    """
    count, width = unit.shape
    if count < _LEAST_ROWS or width < _LEAST_WIDTH:
        return None
    chosen = np.random.default_rng(0).choice(count, min(count, _SAMPLE), replace=False)
    sample = unit[np.sort(chosen)]
    axes = leading_axes(sample, width // 2)
    probes = sample[:: max(len(sample) // _PROBES, 1)]
    wanted = max(round((k + 1) * len(sample) / count), 1)
    needed = np.partition(probes @ sample.T, len(sample) - wanted, axis=1)[:, len(sample) - wanted, None]
    along, along_probes = sample @ axes, probes @ axes
    best, least = None, float(width)
    for number in (width * share // 16 // _ALIGNED * _ALIGNED - 1 for share in _SIXTEENTHS):
        left, right = along_probes[:, :number], along[:, :number]
        bounds = left @ right.T + _remainder(left)[:, None] * _remainder(right)
        cost = number + _PRODUCT_OF_PAIR * width * float((bounds >= needed).mean())
        if cost < least:
            best, least = axes[:, :number], cost
    return None if best is None else Screen(unit, best)


def leading_axes(rows: Float32, number: int) -> Float32:
    """Return the orthonormal axes [D, number] along which rows [n, D] have the largest sums of squares,
    the largest first; fewer where the rows span fewer."""
    if len(rows) < rows.shape[1]:
        return _axes_of_few(rows.astype(np.float64), number)
    moments = np.zeros((rows.shape[1], rows.shape[1]))
    for products in in_order(lambda part: part.T @ part, np.array_split(rows, len(rows) // _BLOCK + 1)):
        moments += products
    axes = eigh(moments, driver="evd", overwrite_a=True)[1][:, ::-1][:, :number]
    return np.ascontiguousarray(axes, dtype=np.float32)


def _axes_of_few(rows: Float64, number: int) -> Float32:
    """Find the axes of fewer rows than columns from their inner products, in float64."""
    squares, vectors = eigh(rows @ rows.T, driver="evd", overwrite_a=True)
    squares, vectors = squares[::-1][:number], vectors[:, ::-1][:, :number]
    spanned = squares > _NOTHING * squares[0]
    axes = rows.T @ (vectors[:, spanned] / np.sqrt(squares[spanned]))
    return np.ascontiguousarray(axes, dtype=np.float32)


def _remainder(along: Float32) -> Float32:
    """Return the length [n] of what is left of rows of unit length without their parts along axes [n, m]."""
    left: Float32 = 1 - np.einsum("nm,nm->n", along, along)
    return np.sqrt(np.maximum(left, 0) + _SLACK)
