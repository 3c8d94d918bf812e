"""Training images as uint8 batches, fetched by row number: from memory, or decoded by worker processes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from clusterprobe.config.errors import UserError

Decode = Callable[[str], npt.NDArray[np.uint8]]
MEMORY_LIMIT = 2 * 2**30
_ROWS_AT_ONCE = 256


class TrainingImages(Protocol):
    """Images of one size, found by their row in the training set."""

    shape: tuple[int, int, int]

    def __len__(self) -> int:
        """Number of images."""
        ...

    def fetch(self, indices: Tensor) -> Tensor:
        """Images uint8 [B, C, S, S] at rows `indices` (int64 [B], any order, repeats allowed)."""
        ...

    def stream(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """`fetch` for one list of rows after the other; may work ahead."""
        ...


class ArrayImages:
    """Images that lie in memory (or in a memory-mapped file): uint8 [N, C, S, S]."""

    def __init__(self, values: npt.NDArray[np.uint8]) -> None:
        if values.dtype != np.uint8 or values.ndim != 4 or values.shape[2] != values.shape[3]:
            raise UserError(
                f"training images must be uint8 [N, C, S, S], not {values.dtype} {list(values.shape)}; "
                "scale to 0 .. 255 and crop to squares first"
            )
        self._values = values
        self.shape = (values.shape[1], values.shape[2], values.shape[3])

    def __len__(self) -> int:
        return len(self._values)

    def fetch(self, indices: Tensor) -> Tensor:
        """Images uint8 [B, C, S, S] at rows `indices`."""
        return torch.from_numpy(self._values[indices.numpy()])

    def stream(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """`fetch` for one list of rows after the other."""
        return map(self.fetch, batches)


class DecodedImages:
    """Images that are decoded whenever they are asked for, by `workers` processes (0: in this one)."""

    def __init__(self, decode: Decode, locations: Sequence[str], *, workers: int = 0) -> None:
        self._dataset = _Decoder(decode, locations)
        self._workers = workers
        channels, height, width = decode(locations[0]).shape
        self.shape = (channels, height, width)

    def __len__(self) -> int:
        return len(self._dataset)

    def fetch(self, indices: Tensor) -> Tensor:
        """Images uint8 [B, C, S, S] at rows `indices`, decoded in this process."""
        return torch.stack([self._dataset[index] for index in indices.tolist()])

    def stream(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """`fetch` for one list of rows after the other; the workers decode two lists each ahead."""
        loader = DataLoader(
            self._dataset,
            batch_sampler=(batch.tolist() for batch in batches),
            num_workers=self._workers,
            collate_fn=torch.stack,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),
        )
        return iter(loader)


class _Decoder(Dataset[Tensor]):
    """Row number -> decoded image, for DataLoader workers."""

    def __init__(self, decode: Decode, locations: Sequence[str]) -> None:
        self._decode = decode
        self._locations = locations

    def __len__(self) -> int:
        return len(self._locations)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self._decode(self._locations[index])))


def open_images(
    decode: Decode, locations: Sequence[str], *, memory_limit: int = MEMORY_LIMIT, workers: int = 0
) -> TrainingImages:
    """Open the images at `locations`: in memory if all of them fit into `memory_limit` bytes, else on demand.

    Args:
        decode: location -> uint8 array [C, S, S]; the same shape for every image.
        locations: one per image, in manifest order.
        memory_limit: bytes that the decoded images may take.
        workers: processes that decode.

    Raises:
        UserError: there is no image at all.
    """
    if not len(locations):
        raise UserError("there are no training images; check the splits of the data set")
    images = DecodedImages(decode, locations, workers=workers)
    size = len(images) * int(np.prod(images.shape))
    return ArrayImages(_decode_all(images)) if size <= memory_limit else images


def from_array(images: npt.NDArray[np.uint8] | Path) -> ArrayImages:
    """Images from an array uint8 [N, C, S, S] or from an .npy file of one, which is memory-mapped.

    Raises:
        UserError: wrong type or shape.
    """
    return ArrayImages(np.load(images, mmap_mode="r") if isinstance(images, Path) else images)


def _decode_all(images: DecodedImages) -> npt.NDArray[np.uint8]:
    values = np.empty((len(images), *images.shape), dtype=np.uint8)
    rows = torch.split(torch.arange(len(images)), _ROWS_AT_ONCE)
    starts = itertools.accumulate((len(block) for block in rows), initial=0)
    for start, block in zip(starts, images.stream(rows), strict=False):
        values[start : start + len(block)] = block.numpy()
    return values
