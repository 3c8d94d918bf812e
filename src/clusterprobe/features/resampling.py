"""Pillow's resizing of 8-bit images as tables of whole numbers, which give the same bytes on any device."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]

BITS = 22
"""Weights are multiples of 2 ** -BITS: with the 8 bits of a pixel, and two to spare, they fill 32."""


class Taps(NamedTuple):
    """For each of n new pixels of a side the T old ones that make it, and their weights, int32 [n, T]."""

    places: Int32
    weights: Int32

    def cut(self) -> tuple[int, int, Taps]:
        """Return where the old pixels that are needed begin and end, and the taps from there on."""
        first, end = int(self.places.min()), int(self.places.max()) + 1
        return first, end, Taps(self.places - np.int32(first), self.weights)


@lru_cache(maxsize=512)
def resizing(interpolation: str, length: int, resized: int, first: int, count: int) -> Taps:
    """Return what makes the pixels [first, first + count) of a side of `length` pixels resized to `resized`.

    `interpolation` is one of FILTERS. In float64, operation by operation as in Pillow (`precompute_coeffs`
    and `normalize_coeffs_8bpc` of its Resample.c), so that the weights are the same to the last bit.
    """
    reach, weigh = FILTERS[interpolation]
    scale = length / resized
    stretch = max(scale, 1.0)
    centres = (np.arange(first, first + count) + 0.5) * scale
    low = np.maximum((centres - reach * stretch + 0.5).astype(np.int64), 0)[:, None]
    high = np.minimum((centres + reach * stretch + 0.5).astype(np.int64), length)[:, None]
    places = low + np.arange((high - low).max())
    weights = weigh(np.abs((places - centres[:, None] + 0.5) * (1.0 / stretch)))
    weights[places >= high] = 0.0
    shares = weights / weights.cumsum(axis=1)[:, -1:]  # one by one: `sum` adds in another order
    fixed = np.trunc(shares * 2.0**BITS + np.copysign(0.5, shares))
    return Taps(np.minimum(places, high - 1).astype(np.int32), fixed.astype(np.int32))


def keeping(count: int) -> Taps:
    """Return what leaves a side of `count` pixels as it is."""
    places = np.arange(count, dtype=np.int32)[:, None]
    return Taps(places, np.full_like(places, 1 << BITS))


def _bilinear(distance: Float64) -> Float64:
    return np.where(distance < 1.0, 1.0 - distance, 0.0)


def _bicubic(distance: Float64) -> Float64:
    """Cubic convolution with a = -1/2 (Keys, IEEE Transactions on ASSP 29(6), 1981, equation 15)."""
    near = (1.5 * distance - 2.5) * distance * distance + 1.0
    far = (((distance - 5.0) * distance + 8.0) * distance - 4.0) * -0.5
    return np.where(distance < 1.0, near, np.where(distance < 2.0, far, 0.0))


FILTERS: dict[str, tuple[float, Callable[[Float64], Float64]]] = {
    "bilinear": (1.0, _bilinear),
    "bicubic": (2.0, _bicubic),
}
"""How far a filter reaches and its weight at a distance, in old or new pixels, whichever are larger."""
