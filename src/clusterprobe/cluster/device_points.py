"""Rows as k-means in torch sees them: on a device, and in several processes each its own.

A process holds some consecutive rows; all rows are those of all processes in the order of ranks. Without
a process group there is one process. What is summed over the processes is the same in all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, distributed

from clusterprobe.features.scaling import require_finite
from clusterprobe.store.rows import ArrayRows, Rows

Int64 = npt.NDArray[np.int64]

_VALUES_AT_ONCE = 2**26  # of rows, or of scores: 256 MiB of float32
_ON_A_CPU = 4 * 2**30
_SHARE_OF_MEMORY = 0.6  # of what is free on a GPU: rows that fit are kept there
_FIRST_ROWS = 64


def over_processes(values: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes."""
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(values)
    return values


def rank() -> int:
    """Return the rank of this process, 0 without a process group."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def processes() -> int:
    """Return the number of processes, 1 without a process group."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


@dataclass(frozen=True)
class DevicePoints:
    """The rows [n, D] of this process, moved to mean zero or scaled to unit length, float32.

    `first` is the number of its first row among the `count` rows of all processes. `held` are the points
    themselves where they fit; otherwise they are made anew of `rows` in every pass. `offset` [D] float32 is
    subtracted; `variance` is the mean over the columns.
    """

    rows: Rows
    spherical: bool
    device: torch.device
    first: int
    count: int
    offset: Tensor
    variance: float
    held: Tensor | None = None

    @classmethod
    def of(
        cls, rows: Rows, *, spherical: bool, device: torch.device, memory_bytes: int | None = None
    ) -> DevicePoints:
        """Look at all rows once; keep them if they take at most `memory_bytes` (None: most of what is free).

        Raises UserError for values that are not finite.
        """
        sizes = torch.zeros(processes(), dtype=torch.int64, device=device)
        sizes[rank()] = rows.shape[0]
        ends = list(accumulate(over_processes(sizes).tolist()))
        plain = torch.zeros(rows.shape[1], device=device)
        points = cls(rows, spherical, device, ends[rank()] - rows.shape[0], ends[-1], plain, 0.0)
        offset, variance = points._moments()
        points = replace(points, offset=plain if spherical else offset, variance=variance)
        limit = _free(device) if memory_bytes is None else memory_bytes
        if 4 * rows.shape[0] * rows.shape[1] > limit:
            return points
        kept = torch.empty(rows.shape, dtype=torch.float32, device=device)
        for where, block in points.blocks():
            kept[where] = block
        return replace(points, held=kept)

    @property
    def shape(self) -> tuple[int, int]:
        """The rows of this process and their width."""
        return self.rows.shape

    def blocks(self, columns: int = 0) -> Iterator[tuple[slice, Tensor]]:
        """Yield the points [n, D] of this process with where they are; `columns` more are made of each."""
        step = max(min(_VALUES_AT_ONCE // max(self.shape[1], columns), 2**16), 1)
        if self.held is not None:
            for first in range(0, self.shape[0], step):
                where = slice(first, min(first + step, self.shape[0]))
                yield where, self.held[where]
            return
        for part in self.rows.parts(step):
            block = part.read()
            require_finite(block, self.rows.space)
            yield part.where, self._points(torch.from_numpy(block).to(self.device))

    def take(self, indices: Int64) -> Tensor:
        """Return the points [M, D] with these numbers among the rows of all processes."""
        own = self._own(indices)
        taken = torch.zeros(len(indices), self.shape[1], device=self.device)
        here = indices[own] - self.first
        place = torch.from_numpy(np.flatnonzero(own)).to(self.device)
        if self.held is not None:
            taken[place] = self.held[torch.from_numpy(here).to(self.device)]
        elif len(here):
            taken[place] = self._points(torch.from_numpy(self.rows.take(here)).to(self.device))
        return over_processes(taken)

    def sample(self, indices: Int64) -> DevicePoints:
        """Return some of all points, rising by number, on the device; each process keeps its own."""
        rows = ArrayRows(self.rows.take(indices[self._own(indices)] - self.first), self.rows.space)
        kept = self._points(torch.from_numpy(rows.values).to(self.device))
        before = int((indices < self.first).sum())
        return replace(self, rows=rows, first=before, count=len(indices), held=kept)

    def _own(self, indices: Int64) -> npt.NDArray[np.bool_]:
        return (indices >= self.first) & (indices < self.first + self.shape[0])

    def _points(self, block: Tensor) -> Tensor:
        if not self.spherical:
            return block - self.offset
        lengths = torch.linalg.vector_norm(block, dim=1, keepdim=True)
        return block / torch.where(lengths > 0, lengths, 1)

    def _moments(self) -> tuple[Tensor, float]:
        """Return the mean [D] of all points and their variance, shifted so that the sums do not cancel."""
        shift = self.take(np.arange(min(self.count, _FIRST_ROWS))).double().mean(dim=0)
        total = torch.zeros(self.shape[1] + 1, dtype=torch.float64, device=self.device)
        for _, block in self.blocks():
            shifted = block.double() - shift
            total[:-1] += shifted.sum(dim=0)
            total[-1] += shifted.square().sum()
        total = over_processes(total) / self.count
        variance = max(float(total[-1] - total[:-1].square().sum()), 0.0) / self.shape[1]
        return (shift + total[:-1]).float(), variance


def _free(device: torch.device) -> int:
    if device.type != "cuda":
        return _ON_A_CPU
    return int(_SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0])
