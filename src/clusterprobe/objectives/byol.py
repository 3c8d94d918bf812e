"""BYOL: predict what a slow copy of the network makes of another view (Grill et al., arXiv 2006.07733)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from clusterprobe.encoders.heads import build_head
from clusterprobe.objectives.kernels.instances import (
    InstanceObjective,
    head_of,
    mean_over_batch,
    require,
    unit,
)
from clusterprobe.train.momentum_encoder import MomentumEncoder
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class ByolOptions:
    """Options of predicting the other view.

    Attributes:
        momentum: share of its old parameters that the target network keeps at first; it rises to 1 along half
            a cosine.
        hidden: width of the predictor's hidden layer.
        update_every: steps between updates of the target network; CLD (arXiv 2008.03813, table 3) takes 16.
    """

    momentum: float = 0.99
    hidden: int = 4096
    update_every: int = 1

    def __post_init__(self) -> None:
        require({"hidden": self.hidden, "update_every": self.update_every})
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"momentum must lie in [0, 1], not {self.momentum}")


def rising_momentum(first: float, taken: int, total: int) -> float:
    """The momentum after `taken` of `total` steps: 1 - (1 - first) (cos(pi taken / total) + 1) / 2."""
    return 1 - (1 - first) * (math.cos(math.pi * taken / max(1, total)) + 1) / 2


class Byol(InstanceObjective):
    """Predictions from each of two views against the target network's projection of the other.

    Args:
        networks: a body and head "0", the projector; a predictor of its shape stands on it while it trains.
        options: see `ByolOptions`.
    """

    steps: Tensor

    def __init__(self, networks: Networks, options: ByolOptions) -> None:
        super().__init__(networks, looks=2)
        self.options = options
        head = head_of(networks, "byol")
        predictor = {"hidden": options.hidden, "dimensions": head.width, "batch_norm": True}
        self.predictor = build_head("mlp", predictor, head.width)
        self.target = MomentumEncoder(nn.Sequential(networks.body, head), options.momentum)
        self.register_buffer("steps", torch.tensor(0))

    def before_step(self, epoch: Epoch) -> None:
        """Say how slowly the target network follows in this step."""
        self.target.decay = rising_momentum(self.options.momentum, epoch.taken, epoch.total)

    def instance_loss(self, features: Sequence[Tensor], batch: Batch) -> Loss:
        """Squared distance of unit vectors, 2 - 2 cosine, summed over both directions (equation 2)."""
        predicted = self.predictor(self.heads["0"](torch.cat(tuple(features)))).chunk(2)
        first, second = self.target(torch.cat(batch.views)).chunk(2)
        with torch.autocast(first.device.type, enabled=False):
            pairs = ((predicted[0], second), (predicted[1], first))
            cosines = [(unit(one) * unit(other)).sum(dim=1) for one, other in pairs]
            value = mean_over_batch(4 - 2 * (cosines[0] + cosines[1]))
        return Loss(value, {"instance_loss": value.detach()})

    def after_step(self) -> None:
        """Let the target network follow if it is its turn."""
        self.steps += 1
        if int(self.steps) % self.options.update_every == 0:
            self.target.follow(nn.Sequential(self.body, self.heads["0"]))


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    return Byol(networks, read_options(ByolOptions, options, "objective byol"))
