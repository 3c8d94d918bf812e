"""TEMI: heads on frozen features that agree with slow copies of themselves on neighbours.

Adaloglou, Michels, Kalisch and Kollmann, "Exploring the Limits of Deep Image Clustering using Pretrained
Models", BMVC 2023, arXiv 2303.17896. Defaults are those of the paper or, where it is silent, of its reference
code; two choices are ours: heads have one hidden layer if their kind is mlp, and the copies are what the run
leaves behind. The published target is 58.0 % on ImageNet with DINO's ViT-B/16.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.objectives.kernels.neighbourhoods import draw_columns
from clusterprobe.objectives.kernels.weighted_information import pair_weights, weighted_information
from clusterprobe.train.distributed import gather
from clusterprobe.train.moving_copy import MovingCopy
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View, needs
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class TemiOptions:
    """Options of the method.

    Attributes:
        beta: exponent that keeps one cluster from taking all; 1 is mutual information itself.
        temperature: logits are divided by it, of heads and copies.
        decay: share that copies keep in the first step; it grows to 1 along a cosine.
        share_decay: share that the running mean of the clusters' probabilities keeps in a step.
        neighbours: how many of the nearest neighbours of the array `neighbours` are drawn from; None: all.
        frozen: always true: the body stays as it is.
    """

    beta: float = 0.6
    temperature: float = 0.1
    decay: float = 0.996
    share_decay: float = 0.9
    neighbours: int | None = None
    frozen: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.beta <= 1:
            raise ValueError(f"beta must lie above 0 and at most at 1, not at {self.beta}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")
        if not (0 <= self.decay <= 1 and 0 <= self.share_decay < 1):
            raise ValueError("decay and share_decay must lie between 0 and 1")
        if self.neighbours is not None and self.neighbours < 1:
            raise ValueError(f"neighbours must be at least 1, not {self.neighbours}")
        if not self.frozen:
            raise ValueError("TEMI trains heads on features that do not change: leave `frozen` at true")


class Temi(Objective):
    """Heads and their slow copies on pairs of an image and a neighbour; the head with the lowest loss counts.

    Args:
        networks: a body that stays as it is, and heads with one output per cluster.
        options: see `TemiOptions`.
        companions: neighbours of each training image, int64 [N, k].
    """

    share: Tensor
    losses: Tensor
    steps: Tensor
    best_head: Tensor

    def __init__(self, networks: Networks, options: TemiOptions, companions: Tensor) -> None:
        super().__init__(networks)
        self.options, self.companions = options, companions
        self.body.requires_grad_(False)
        heads, clusters = len(self.heads), next(iter(networks.heads.values())).width
        self.copies = nn.ModuleDict(
            {name: MovingCopy(head, options.decay) for name, head in self.heads.items()}
        )
        self.register_buffer("share", torch.full((heads, clusters), 1 / clusters))
        self.register_buffer("losses", torch.zeros(heads, dtype=torch.float64))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("best_head", torch.tensor(-1))

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """The images and, for each, one neighbour; both as they are."""
        neighbours = draw_columns(self.companions[indices], 1, generator)[:, 0]
        return [View(indices, "plain"), View(neighbours, "plain")]

    def train(self, mode: bool = True) -> Temi:
        """Switch the mode; the body stays in evaluation mode."""
        super().train(mode)
        self.body.eval()
        return self

    def before_epoch(self, epoch: Epoch) -> None:
        """Begin to measure the heads anew."""
        self.losses.zero_()
        self.steps.zero_()

    def before_step(self, epoch: Epoch) -> None:
        """Let the copies follow more and more slowly."""
        done = epoch.taken / max(epoch.total, 1)
        decay = 1 - (1 - self.options.decay) * (math.cos(math.pi * done) + 1) / 2
        for copy in self.copies.values():
            cast(MovingCopy, copy).decay = decay

    def loss(self, batch: Batch) -> Loss:
        """Mean over the heads of the loss of the global batch, both images of a pair in both roles."""
        with torch.no_grad():
            features = torch.stack([self.body(view) for view in batch.views], dim=1)
        together = gather(features).transpose(0, 1)
        students = self._probabilities(self.heads, together)
        with torch.no_grad():
            teachers = self._probabilities(self.copies, together)
            mean = teachers.flatten(1, 2).mean(dim=1)
            self.share.lerp_(mean, 1 - self.options.share_decay)
            weights = pair_weights(teachers[:, 0], teachers[:, 1])
        share, beta = self.share.clone(), self.options.beta
        both = [
            weighted_information(students[:, one], teachers[:, 1 - one], share, weights, beta)
            for one in (0, 1)
        ]
        per_head = (both[0] + both[1]) / 2
        with torch.no_grad():
            self.losses += per_head.double()
            self.steps += 1
        return Loss(per_head.mean(), {"pair_weight": weights.mean()})

    def after_step(self) -> None:
        """Move the copies."""
        for name, copy in self.copies.items():
            cast(MovingCopy, copy).follow(self.heads[name])

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Name the head with the lowest mean loss of the epoch."""
        means = self.losses / self.steps.clamp_min(1)
        self.best_head.copy_(means.argmin())
        return {"lowest_loss": float(means.min()), "chosen_head": int(self.best_head)}

    def networks(self) -> Networks:
        """The body and the copies of the heads."""
        heads = {name: cast(Head, cast(MovingCopy, copy).network) for name, copy in self.copies.items()}
        return Networks(self.body, heads)

    def can_average(self) -> bool:
        """No: the copies are averages themselves."""
        return False

    def chosen_head(self) -> str | None:
        """The head with the lowest mean loss of the last epoch; None before the first has ended."""
        number = int(self.best_head)
        return list(self.heads)[number] if number >= 0 else None

    def _probabilities(self, heads: nn.ModuleDict, features: Tensor) -> Tensor:
        """Probabilities [heads, 2, B, K] of features [2, B, D]."""
        flat = features.flatten(0, 1)
        logits = torch.stack([head(flat) for head in heads.values()]).float() / self.options.temperature
        return logits.softmax(dim=2).view(len(heads), *features.shape[:2], -1)


@needs("neighbours")
def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(TemiOptions, options, "objective temi")
    if len({head.width for head in networks.heads.values()}) != 1:
        raise UserError("objective temi: the job needs heads, all with one output per cluster")
    companions = setting.array("neighbours").long()
    if chosen.neighbours is not None and chosen.neighbours > companions.shape[1]:
        raise UserError(
            f"objective temi: neighbours is {chosen.neighbours}, but only {companions.shape[1]} were mined"
        )
    return Temi(networks, chosen, companions[:, : chosen.neighbours].contiguous())
