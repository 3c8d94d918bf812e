"""Augmented views of images: which one an image gets follows from counters, never from how it is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.images.augment import Augmentation, Draws
from clusterprobe.images.seeds import make_generator

_ROWS_AT_ONCE = 64  # drawn from one generator: seeding one for every row would cost more than the drawing


@dataclass(frozen=True)
class AugmentedViews:
    """Some views of every image of a split, all drawn from one seed.

    Attributes:
        count: views of each image.
        augmentation: a list of steps, see `clusterprobe.images.augment`.
        seed: of the views.
    """

    count: int
    augmentation: Sequence[Mapping[str, Any]]
    seed: int

    def looks(self, preprocessing: Preprocessing, batch: Tensor, first_row: int) -> Iterator[Tensor]:
        """Yield each view of consecutive rows of the split as input of a network, float32 [B, C, S, S].

        `batch` are the images themselves, uint8 [B, C, S, S].
        """
        augmentation = Augmentation(self.augmentation, size=preprocessing.size, mean=preprocessing.mean)
        rows, shape = range(first_row, first_row + len(batch)), (batch.shape[1], *batch.shape[2:])
        images = batch.float() / 255
        mean, std = (
            torch.tensor(values, device=batch.device).view(-1, 1, 1)
            for values in (preprocessing.mean, preprocessing.std)
        )
        for view in range(self.count):
            drawn = self.draw(augmentation, rows, view, shape)
            yield (augmentation.apply(images, drawn) - mean) / std

    def draw(self, augmentation: Augmentation, rows: range, view: int, shape: tuple[int, int, int]) -> Draws:
        """Return the parameters of view number `view` of some rows of the split, for images of a shape.

        They depend on (seed, view, row) alone: how rows are cut into batches and shards changes nothing.
        """
        first, last = rows.start // _ROWS_AT_ONCE, -(-rows.stop // _ROWS_AT_ONCE)
        blocks = [
            augmentation.draw(_ROWS_AT_ONCE, shape, make_generator(self.seed, "view of a split", view, block))
            for block in range(first, last)
        ]
        own = slice(rows.start - first * _ROWS_AT_ONCE, rows.stop - first * _ROWS_AT_ONCE)
        return tuple(torch.cat(parts)[own] for parts in zip(*blocks, strict=True))
