"""SimCLR: contrast two views of an image with all other images of the batch (Chen et al., arXiv
2002.05709)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.objectives.kernels.instances import InstanceObjective
from clusterprobe.train.distributed import gather
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class SimclrOptions:
    """Options of the loss, see `nt_xent`."""

    temperature: float = 0.1
    symmetric: bool = True

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, not {self.temperature}")


def nt_xent(view1: Tensor, view2: Tensor, temperature: float, symmetric: bool = True) -> Tensor:
    """Normalised, temperature-scaled cross-entropy (SimCLR, equation 1).

    Every anchor must find its other view among all other embeddings of the batch:

        l_i = -log( exp(s(i, i') / t) / sum_{k != i} exp(s(i, k) / t) ),   s = cosine similarity, k over both
        views

    Args:
        view1, view2: embeddings [B, D], row by row of the same images; normalised here.
        temperature: t.
        symmetric: average l_i over all 2 B embeddings, as in the paper; False takes only view1 as anchors,
            as the reference code of SCAN (arXiv 2005.12320) does.

    Returns:
        Scalar mean over the anchors.

    Example:
        >>> nt_xent(torch.eye(2), torch.eye(2), temperature=1.0)
        tensor(0.5514)
    """
    with torch.autocast(view1.device.type, enabled=False):
        first, second = F.normalize(view1.float(), dim=1), F.normalize(view2.float(), dim=1)
        everything = torch.cat([first, second])
        anchors = everything if symmetric else first
        similarity = anchors @ everything.T / temperature
        rows = torch.arange(len(anchors), device=anchors.device)
        itself = torch.zeros_like(similarity, dtype=torch.bool)
        itself[rows, rows] = True
        other_view = (rows + len(first)) % len(everything)
        return F.cross_entropy(similarity.masked_fill(itself, float("-inf")), other_view)


class Simclr(InstanceObjective):
    """Two random views of every image through body and head "0"; NT-Xent over the global batch."""

    def __init__(self, networks: Networks, options: SimclrOptions) -> None:
        super().__init__(networks, looks=2)
        self.options = options

    def instance_loss(self, features: Sequence[Tensor], batch: Batch) -> Loss:
        """NT-Xent of the two views; both go through the network as one batch."""
        view1, view2 = self.heads["0"](torch.cat(tuple(features))).chunk(2)
        return Loss(nt_xent(gather(view1), gather(view2), self.options.temperature, self.options.symmetric))


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    return Simclr(networks, read_options(SimclrOptions, options, "objective simclr"))
