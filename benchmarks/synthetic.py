"""Synthetic features that are like those of ImageNet where it matters for clustering, from a seed.

- Class structure: 1000 classes in 50 groups; means and noise share a spectrum in which the variance of the
  j-th direction falls like 1 / j, in at most 256 directions, over a little noise in all of them.
- Long tails: large classes have several times the rows of small ones; how far rows lie from the mean of their
  class differs from row to row (log-normal).
- Near-duplicates: one row in fifty is nearly equal to the one before it.
- A mean far from zero, as behind a ReLU.

Block b is made of (seed, b) alone: a larger matrix begins with the rows of a smaller one, and any number of
rows can be streamed to disk in bounded memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clusterprobe.store.features import FeatureMatrix, record_path, write_blocks
from clusterprobe.store.rows import Float32
from clusterprobe.store.threads import in_order

Int64 = npt.NDArray[np.int64]

CLASSES = 1000
_GROUPS = 50
_DIRECTIONS = 256
_BLOCK = 8192
_SPACE = 2**30  # bytes that stay free on the disk


class Features:
    """Rows [count, dims] float32 and their labels, block by block."""

    def __init__(self, count: int, dims: int, seed: int = 0) -> None:
        self.count, self.dims, self._seed = count, dims, seed
        generator = np.random.default_rng([seed, dims])
        directions = min(dims, _DIRECTIONS)
        self._scale = np.arange(1, directions + 1, dtype=np.float32) ** -0.5
        self._scale /= np.linalg.norm(self._scale)
        self._basis = generator.standard_normal((directions, dims), dtype=np.float32)
        groups = generator.standard_normal((_GROUPS, directions), dtype=np.float32)
        own = generator.standard_normal((CLASSES, directions), dtype=np.float32)
        means = groups[generator.integers(_GROUPS, size=CLASSES)] + own
        self._means = np.float32(0.7) * means * self._scale
        sizes = (np.arange(CLASSES) + 20.0) ** -0.5
        self._shares = sizes / sizes.sum()

    def blocks(self) -> Iterator[tuple[Float32, Int64]]:
        """Yield rows [n, D] and labels [n]."""
        starts = range(0, self.count, _BLOCK)
        yield from in_order(lambda first: self._block(first, min(_BLOCK, self.count - first)), starts)

    def array(self) -> tuple[Float32, Int64]:
        """Return all rows [N, D] and labels [N]."""
        rows, labels = zip(*self.blocks(), strict=True)
        return np.concatenate(rows), np.concatenate(labels)

    def _block(self, first: int, count: int) -> tuple[Float32, Int64]:
        generator = np.random.default_rng([self._seed, self.dims, first])
        labels = generator.choice(CLASSES, _BLOCK, p=self._shares)
        inner = generator.standard_normal((_BLOCK, len(self._scale)), dtype=np.float32) * self._scale
        spread = 1.2 * np.exp(0.3 * generator.standard_normal((_BLOCK, 1), dtype=np.float32))
        rows = (self._means[labels] + spread * inner) @ self._basis
        rows += 0.4 * generator.standard_normal(rows.shape, dtype=np.float32)
        rows += 1
        copies = np.flatnonzero(generator.random(_BLOCK) < 0.02)
        copies = copies[copies > 0]
        tiny = generator.standard_normal((len(copies), self.dims), dtype=np.float32)
        rows[copies], labels[copies] = rows[copies - 1] + 1e-3 * tiny, labels[copies - 1]
        return np.float32(0.5) * rows[:count], labels[:count]


def shards(
    folder: Path, count: int, dims: int, number: int = 8, seed: int = 0
) -> tuple[FeatureMatrix, Int64]:
    """Write features as float16 shards below a folder, unless they are there; return them and the labels.

    Raises NoSpace when the disk would be full then.
    """
    needed = count * dims * 2
    free = shutil.disk_usage(folder).free
    place = folder / f"features-{count}x{dims}-{seed}"
    paths = [place / f"{index:05d}-of-{number:05d}.npy" for index in range(number)]
    if not (place / "labels.npy").exists():
        if free < needed + _SPACE:
            room = f"{free / 2**30:.1f} GiB are free"
            raise NoSpace(f"{needed / 2**30:.1f} GiB of features do not fit {folder}: {room}")
        _write(paths, Features(count, dims, seed))
    return FeatureMatrix.open(paths, verify=False), np.load(place / "labels.npy")


class NoSpace(Exception):
    """The disk is too small."""


def _write(paths: list[Path], features: Features) -> None:
    edges = np.linspace(0, features.count, len(paths) + 1).astype(int)
    labels: list[Int64] = []
    stream = _Stream(features, labels)
    for path, first, last in zip(paths, edges[:-1], edges[1:], strict=True):
        write_blocks(
            path,
            stream.take(int(last - first)),
            (int(last - first), features.dims),
            space="synthetic",
            content=f"synthetic-{features.count}",
            first_row=int(first),
            total_rows=features.count,
        )
        assert record_path(path).exists()
    np.save(paths[0].parent / "labels.npy", np.concatenate(labels))


class _Stream:
    """Rows of a stream of blocks, any number at a time."""

    def __init__(self, features: Features, labels: list[Int64]) -> None:
        self._blocks, self._labels = features.blocks(), labels
        self._left = np.empty((0, features.dims), dtype=np.float32)

    def take(self, count: int) -> Iterator[Float32]:
        """Yield the next `count` rows."""
        while count:
            if not len(self._left):
                self._left, labels = next(self._blocks)
                self._labels.append(labels)
            yield self._left[:count]
            taken = min(count, len(self._left))
            self._left, count = self._left[taken:], count - taken
