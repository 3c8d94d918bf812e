"""Resizing and centre crop on the device that a network runs on: the same bytes as by Pillow in a worker.

A batch travels in one tensor: of each image, whatever its size, the part that its crop shows. Both passes of
the resizing, along rows and along columns, are gathers and sums of integers over many images at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from clusterprobe.encoders.preprocessing import MODES, Preprocessing
from clusterprobe.features.resampling import BITS, FILTERS, Int32, Taps, keeping, resizing

_LARGEST = 3  # times the side that images are resized to: of a larger one the crop is quicker made than sent
_TALLEST = 2  # times as high as wide: beyond it Pillow 13 resizes along columns first
_AT_ONCE = 64  # images: it bounds the memory that sums take


class Part(NamedTuple):
    """The part uint8 [H, W, C] of an image that its crop shows, and what of it makes columns and rows."""

    pixels: npt.NDArray[np.uint8]
    columns: Taps
    rows: Taps


class Parts(NamedTuple):
    """The parts of B images, their R rows one after the other.

    Attributes:
        pixels: uint8 [P, C].
        starts: int64 [R], where each row begins in `pixels`.
        owners: int32 [R], the image that it is of.
        columns, rows: int32 [2, T, B, S], places and weights; those of columns count from the start of a row,
            those of rows among the R.
        ends: the number of rows up to the last of each image.
    """

    pixels: Tensor
    starts: Tensor
    owners: Tensor
    columns: Tensor
    rows: Tensor
    ends: Sequence[int]

    def cut_on(self, device: torch.device) -> Tensor:
        """Return the centre crops, uint8 [B, C, S, S], on a device."""
        pixels, starts, owners, columns, rows = (each.to(device, non_blocking=True) for each in self[:5])
        there = Parts(pixels, starts, owners, columns, rows, self.ends)
        blocks = range(0, len(self.ends), _AT_ONCE)
        return torch.cat([there._crops(slice(first, first + _AT_ONCE)) for first in blocks])

    def _crops(self, images: slice) -> Tensor:
        ends = (0, *self.ends)[images.start : images.stop + 1]
        block = slice(ends[0], ends[-1])
        starts, owners = self.starts[block, None], self.owners[block]
        columns, rows = self.columns.unbind(1), self.rows[:, :, images].unbind(1)
        narrow = _weighted(
            self.pixels,
            ((starts + places[owners], weights[owners, :, None]) for places, weights in columns),
        )
        crops = _weighted(narrow, ((places - ends[0], weights[:, :, None, None]) for places, weights in rows))
        return crops.permute(0, 3, 1, 2).contiguous()


class DeviceCentre:
    """Centre crops of images that are made on the device; a worker only decodes and packs."""

    def __init__(self, preprocessing: Preprocessing) -> None:
        self._wanted = preprocessing

    def take(self, image: Image.Image, row: int) -> Part:
        """Return what the device needs of an image; the finished crop if Pillow is better at it."""
        wanted = self._wanted
        shorter = min(image.size)
        by_pillow = shorter > _LARGEST * wanted.resize or image.height > _TALLEST * image.width
        if by_pillow or not wanted.resizes_whole(image.size):
            finished = np.ascontiguousarray(wanted.apply(image).transpose(1, 2, 0))
            return Part(finished, keeping(wanted.size), keeping(wanted.size))
        (left, right, columns), (top, bottom, rows) = (
            self._taps(side, int(wanted.resize * side / shorter)).cut() for side in image.size
        )
        part = image.crop((left, top, right, bottom)).convert(MODES[wanted.channels])
        pixels = np.asarray(part, dtype=np.uint8).reshape(bottom - top, right - left, wanted.channels)
        return Part(pixels, columns, rows)

    def batch(self, parts: Sequence[Part]) -> Parts:
        """Pack the parts of some images."""
        heights, widths = (np.array([part.pixels.shape[axis] for part in parts]) for axis in (0, 1))
        ends = np.cumsum(heights)
        owners = np.repeat(np.arange(len(parts), dtype=np.int32), heights)
        starts = np.cumsum(widths[owners]) - widths[owners]
        pixels = np.concatenate([part.pixels.reshape(-1, self._wanted.channels) for part in parts])
        columns = _table([part.columns for part in parts], np.zeros(len(parts), dtype=np.int32))
        rows = _table([part.rows for part in parts], (ends - heights).astype(np.int32))
        return Parts(
            torch.from_numpy(pixels),
            torch.from_numpy(starts),
            torch.from_numpy(owners),
            torch.from_numpy(columns),
            torch.from_numpy(rows),
            ends.tolist(),
        )

    def _taps(self, side: int, resized: int) -> Taps:
        wanted = self._wanted
        first = round((resized - wanted.size) / 2)
        return resizing(wanted.interpolation, side, resized, first, wanted.size)


def can_cut(preprocessing: Preprocessing) -> bool:
    """Return whether images are resized with a filter that is known here."""
    return preprocessing.interpolation in FILTERS


def _table(taps: Sequence[Taps], starts: Int32) -> Int32:
    """Return places, from `starts` [B] on, and weights of taps of any numbers as one array [2, T, B, S]."""
    most = max(each.places.shape[1] for each in taps)
    table = np.zeros((2, most, len(taps), len(taps[0].places)), dtype=np.int32)
    for image, each in enumerate(taps):
        table[0, : each.places.shape[1], image] = each.places.T
        table[1, : each.places.shape[1], image] = each.weights.T
    table[0] += starts[:, None]
    return table


def _weighted(values: Tensor, taps: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the weighted sums of values uint8 [N, ...] at places [...], rounded, as uint8 [..., ...]."""
    total: Tensor | None = None
    for places, weights in taps:
        found = values.index_select(0, places.flatten()).view(*places.shape, *values.shape[1:])
        part = found * weights
        total = part.add_(1 << (BITS - 1)) if total is None else total.add_(part)
    assert total is not None, "a pixel is made of at least one"
    return (total >> BITS).clamp_(0, 255).to(torch.uint8)
