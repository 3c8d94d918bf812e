"""Which labelled images a probe may learn from: a share of them, and a part of that share to choose on."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import Float32, Part, Rows

Int64 = npt.NDArray[np.int64]


class Subset:
    """Some rows of a matrix of features, in the order of `indices` [M]."""

    def __init__(self, rows: Rows, indices: Int64) -> None:
        self._rows, self._indices = rows, indices
        self.space, self.content = rows.space, rows.content

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._indices), self._rows.shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for first in range(0, len(self._indices), rows):
            where = slice(first, min(first + rows, len(self._indices)))
            yield Part(where, partial(self._rows.take, self._indices[where]))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: Int64) -> Float32:
        return self._rows.take(self._indices[indices])


def labelled_images(labels: Int64, fraction: float, seed: int) -> Int64:
    """Return the sorted indices [M] of a stratified share of the images with a label [N], -1 for none.

    Every class keeps its share, rounded so that the total is right, but never less than one image. All
    labelled images if `fraction` is 1, whatever the seed. Raises UserError if no image has a label.
    """
    known: Int64 = np.flatnonzero(labels >= 0)
    if len(known) == 0:
        raise UserError("a probe needs labels, and no image of this split has one: take it out of `probes`")
    if fraction == 1:
        return known
    classes, sizes = np.unique(labels[known], return_counts=True)
    generator = np.random.default_rng([seed, _FRACTION])
    kept = [
        generator.permutation(known[labels[known] == name])[:count]
        for name, count in zip(classes, _shares(sizes, fraction), strict=True)
    ]
    return np.sort(np.concatenate(kept))


def held_out(labels: Int64, share: float, seed: int, split: int = 0) -> tuple[Int64, Int64]:
    """Cut images with labels [M] in two, class by class: sorted indices to fit on, and to choose on.

    A class gives the rounded share of its images to the second part, at least one and never all: a class
    with a single image gives none. Different `split`s of a seed are different draws.
    """
    generator = np.random.default_rng([seed, _HELD_OUT, split])
    held = np.zeros(len(labels), dtype=bool)
    for name in np.unique(labels):
        images = generator.permutation(np.flatnonzero(labels == name))
        count = min(max(round(share * len(images)), 1), len(images) - 1)
        held[images[:count]] = True
    return np.flatnonzero(~held), np.flatnonzero(held)


_FRACTION, _HELD_OUT = 1, 2  # two purposes of one seed


def _shares(sizes: Int64, fraction: float) -> Int64:
    """Return how many of `sizes` [C] images each class keeps: by largest remainder, at least one."""
    wanted = sizes * fraction
    counts = np.floor(wanted).astype(np.int64)
    missing = round(float(wanted.sum())) - int(counts.sum())
    counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    kept: Int64 = np.maximum(counts, 1)
    return kept
