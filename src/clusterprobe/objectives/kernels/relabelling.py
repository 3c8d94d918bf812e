"""Labels for all training images from one linear head, by optimal transport (arXiv 1911.05371, section 3.1).

The head stands on features that were computed once; its logits are made anew in blocks in every pass, on the
device, and every process works on its own rows. `clusterprobe.cluster.sinkhorn` says what is computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.cluster.equipartition import Bool, deal_out, preferences
from clusterprobe.cluster.sinkhorn import FLAT, Float64, Int32, Scaling, balance
from clusterprobe.store.scratch import scratch_rows
from clusterprobe.train.distributed import all_sum, gather

Number = TypeVar("Number", np.int32, np.float64)

_CELLS = 2**24  # logits of a block: 64 MiB of float32
_IN_MEMORY = 2**31  # bytes of features that a process keeps in memory


@dataclass(frozen=True)
class Transport:
    """How labels are found.

    Attributes:
        power: see `sinkhorn.scale`.
        tolerance, max_iterations: see `sinkhorn.balance`.
        exact: cluster sizes are floor or ceil of their share, see `equipartition.deal_out`.
    """

    power: float
    tolerance: float
    max_iterations: int
    exact: bool = False


@dataclass(frozen=True)
class HeadRows:
    """The logits of this process's rows.

    Attributes:
        features: [n, D] float32, on whatever device.
        rows: their numbers among the N rows of all processes, int64 [n] on the CPU.
        head: features -> logits [n, K].
        device: of the head.
    """

    features: Tensor
    rows: Tensor
    head: nn.Module
    device: torch.device

    def logits(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (numbers of rows [m], logits float32 [m, K]) in blocks."""
        size = max(1, _CELLS // max(self.features.shape[1], int(self.head.width)))  # type: ignore[arg-type]
        parts = zip(torch.split(self.rows, size), torch.split(self.features, size), strict=True)
        for rows, features in parts:
            yield rows, self.head(features.to(self.device)).float()

    def relabel(self, transport: Transport, shares: Float64, start: Float64 | None) -> tuple[Int32, Scaling]:
        """Return labels int32 [N] and scaling factors; `start` as for `sinkhorn.balance`.

        Raises ValueError for logits that are not finite.
        """
        scaling = balance(
            partial(self.log_masses, transport.power),
            shares,
            start=start,
            tolerance=transport.tolerance,
            max_iterations=transport.max_iterations,
        )
        labels = self.best(transport.power, scaling.log_scaling)
        if transport.exact:
            ask = partial(self.ask, transport.power, scaling.log_scaling)
            labels = deal_out(labels, shares, ask)
        return labels, scaling

    @torch.no_grad()
    def log_masses(self, power: float, log_scaling: Float64) -> Float64:
        """As `sinkhorn.log_masses`, over the rows of all processes."""
        shift = torch.from_numpy(log_scaling).to(self.device, torch.float32)
        total = torch.full((len(log_scaling),), -torch.inf, dtype=torch.float64, device=self.device)
        for _, logits in self.logits():
            shares = torch.log_softmax(logits * power + shift, dim=1)
            total = torch.logaddexp(total, torch.logsumexp(shares, dim=0).double())
        count = all_sum(torch.tensor(float(len(self.rows)), dtype=torch.float64))
        return np.asarray((torch.logsumexp(gather(total[None]), dim=0).cpu() - count.log()).numpy())

    @torch.no_grad()
    def best(self, power: float, log_scaling: Float64) -> Int32:
        """As `sinkhorn.assign`, for the rows of all processes: int32 [N]."""
        shift = torch.from_numpy(log_scaling).to(self.device)
        found = [torch.empty(0, dtype=torch.int32)]
        for rows, logits in self.logits():
            table = logits.double() * power + shift
            flat = table.amax(dim=1) - table.amin(dim=1) < FLAT
            turns = rows.to(self.device) % table.shape[1]
            found.append(torch.where(flat, turns, table.argmax(dim=1)).int().cpu())
        return self._collect(torch.cat(found).numpy())

    @torch.no_grad()
    def ask(self, power: float, log_scaling: Float64, labels: Int32, has_room: Bool) -> tuple[Int32, Float64]:
        """As `equipartition.Ask`, for the rows of all processes."""
        own = labels[self.rows.numpy()]
        asked, loss = own.copy(), np.zeros(len(own))
        first = 0
        for rows, logits in self.logits():
            chosen = np.flatnonzero(own[first : first + len(rows)] < 0)
            table = logits[chosen].double().cpu().numpy() * power + log_scaling
            at = first + chosen
            asked[at], loss[at] = preferences(table, rows.numpy()[chosen], has_room)
            first += len(rows)
        return self._collect(asked), self._collect(loss)

    @torch.no_grad()
    def cross_entropy(self, labels: Tensor) -> float:
        """Return the mean of -log p(label) over the rows of all processes; labels [N] on the CPU."""
        total = torch.zeros((), dtype=torch.float64)
        for rows, logits in self.logits():
            wanted = labels[rows].long().to(self.device)
            total += F.cross_entropy(logits, wanted, reduction="sum").double().cpu()
        count = all_sum(torch.tensor(float(len(self.rows)), dtype=torch.float64))
        return float(all_sum(total) / count)

    def _collect(self, own: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """Put the values of the rows of all processes [n] in the order of the rows [N]."""
        rows, values = gather(self.rows), gather(torch.from_numpy(own))
        ordered = torch.empty_like(values)
        ordered[rows] = values
        return ordered.numpy()


def hold(rows: int, width: int, device: torch.device) -> Tensor:
    """Return room for features, zeros float32 [rows, width], where there is some.

    On a GPU that has twice the memory left; else in memory; what is too large for that in a temporary file,
    of which the system keeps in memory what fits. Raises UserError where the disk has no room for it.
    """
    size = 4 * rows * width
    if device.type == "cuda" and 2 * size <= torch.cuda.mem_get_info(device)[0]:
        return torch.zeros(rows, width, device=device)
    if size <= _IN_MEMORY:
        return torch.zeros(rows, width)
    return torch.from_numpy(scratch_rows((rows, width)))
