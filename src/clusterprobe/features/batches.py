"""Which images of a split go through a network together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.utils.data import Dataset

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.cuts import CUTS, Cut, Pixels
from clusterprobe.features.outputs import Mode
from clusterprobe.images.manifest import Manifest
from clusterprobe.images.sources import ImageSource
from clusterprobe.store.rows import Float32
from clusterprobe.store.scratch import scratch_rows

Int64 = npt.NDArray[np.int64]
_ROWS_AT_ONCE = 1024


def batch_rows(count: int, batch_size: int, rows: tuple[int, int], mode: Mode) -> list[Int64]:
    """Return the rows of each batch of a split of `count` images that has one of the rows [first, last).

    In mode "reference" the images of a batch come from all over the split, in the one order that the sampler
    of the published code (arXiv 2008.10312: DistributedSampler, epoch 0) gives them, and its last batch may
    be smaller. In mode "eval", where batches do not matter, they are as listed.
    """
    first, last = rows
    if first == last:
        return []
    if mode == "eval":
        starts = range(first // batch_size * batch_size, last, batch_size)
        return [np.arange(start, min(start + batch_size, count)) for start in starts]
    order: Int64 = torch.randperm(count, generator=torch.Generator().manual_seed(0)).numpy()
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    return [batch for batch in batches if ((first <= batch) & (batch < last)).any()]


class Uncut(Protocol):
    """A batch of images out of which the inputs of a network are still to be cut."""

    def cut_on(self, device: torch.device) -> torch.Tensor:
        """Return the inputs, uint8 [B, C, S, S], on a device."""
        ...


class Inputs(Protocol):
    """How worker processes make batches: something of each image, and out of these a batch."""

    def take(self, image: Image.Image, row: int) -> Any:
        """Return what is needed of the image in a row of the split, and not much more."""
        ...

    def batch(self, taken: Sequence[Any]) -> torch.Tensor | Uncut:
        """Return a batch of what was taken of its images."""
        ...


class CutInputs:
    """Inputs that the workers cut out themselves: batches are uint8 [B, C, S, S], or [B, L, C, S, S]."""

    def __init__(self, preprocessing: Preprocessing, cut: Cut) -> None:
        self._preprocessing, self._cut = preprocessing, CUTS[cut]

    def take(self, image: Image.Image, row: int) -> Pixels:
        """Return the input, or the L of them."""
        return self._cut(self._preprocessing, image, row)

    def batch(self, taken: Sequence[Pixels]) -> torch.Tensor:
        """Return them as one tensor."""
        return torch.from_numpy(np.stack(taken))


class SplitBatches(Dataset[torch.Tensor | Uncut | UserError]):
    """Batches of a split, rows `groups` of it, as `inputs` makes them, or why one cannot be made.

    Errors are handed over as values: worker processes would bury their message in a traceback.
    """

    def __init__(
        self, images: Manifest, source: ImageSource, inputs: Inputs, groups: Sequence[Int64]
    ) -> None:
        self._locations, self._hashes = images.locations, images.sha256
        self._source, self._inputs = source, inputs
        self.groups = groups

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> torch.Tensor | Uncut | UserError:
        try:
            return self._inputs.batch([self._take(row) for row in self.groups[index].tolist()])
        except UserError as error:
            return UserError(str(error))

    def _take(self, row: int) -> Any:
        image = self._source.read_verified(self._locations[row], self._hashes[row])
        return self._inputs.take(image, row)


def in_row_order(
    blocks: Iterator[Float32], groups: Sequence[Int64], rows: tuple[int, int], scratch: Path | None
) -> Iterator[Float32]:
    """Yield blocks of rows `groups` in the order of the rows [first, last).

    They wait in a file of the folder `scratch` (null: that of the system) that has no name and ends with the
    process. Raises UserError where the disk has no room for it.
    """
    first, last = rows
    found: Float32 | None = None
    for group, block in zip(groups, blocks, strict=True):
        if found is None:
            found = scratch_rows((last - first, *block.shape[1:]), scratch)
        found[group[(first <= group) & (group < last)] - first] = block
    for start in range(0, last - first, _ROWS_AT_ONCE):
        assert found is not None, "every row is in a batch"
        yield np.array(found[start : start + _ROWS_AT_ONCE])
