"""Learn fixed labels that another training found, from scratch and with any network, beside rotations.

Rows (f) and (h) of table 1 of SeLa, arXiv 1911.05371, and its retraining with RotNet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.rotations import ROTATIONS, rotate
from clusterprobe.objectives.rotation import rotation_loss
from clusterprobe.train import distributed
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View, needs
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class RelabelledOptions:
    """Options of training with found labels.

    Attributes:
        rotation: weight of the rotation task (see `clusterprobe.objectives.rotation`), on all four rotations
            of the same views; 0 leaves it out. The reference code takes 1.
        sum_heads: the loss of the labels is the sum over the heads; or else the mean.
    """

    rotation: float = 0.0
    sum_heads: bool = True

    def __post_init__(self) -> None:
        if self.rotation < 0:
            raise ValueError(f"rotation must not be negative, but is {self.rotation}")


class Relabelled(Objective):
    """Cross entropy of each head with one column of labels, on images that are not rotated.

    Args:
        networks: a fresh body, and one head per column.
        options: see `RelabelledOptions`.
        labels: int64 [N, T].
    """

    labels: Tensor
    losses: Tensor
    chosen: Tensor

    def __init__(self, networks: Networks, options: RelabelledOptions, labels: Tensor) -> None:
        super().__init__(networks)
        self.options = options
        self.register_buffer("labels", labels, persistent=False)
        self.register_buffer("losses", torch.zeros(len(networks.heads), dtype=torch.float64))
        self.register_buffer("chosen", torch.tensor(-1))
        self.turns = nn.Linear(networks.body.width, ROTATIONS) if options.rotation else None

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """One augmentation of the images."""
        return [View(indices)]

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy over the global batch, and that of the rotations if asked for."""
        images = batch.views[0]
        rotated, turns = rotate(images) if self.turns is not None else (images, torch.empty(0))
        features = self.body(rotated)
        losses, accuracy = self._label_losses(features[: len(images)], batch.indices)
        self.losses += losses.detach()
        value = losses.sum() if self.options.sum_heads else losses.mean()
        logged = {"accuracy": accuracy}
        if self.turns is not None:
            auxiliary = rotation_loss(self.turns(features), turns)
            value = value + self.options.rotation * auxiliary.value
            logged |= auxiliary.logged
        return Loss(value, logged)

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Choose the head that has learnt its labels best in this epoch."""
        self.chosen.copy_(self.losses.argmin())
        self.losses.zero_()
        return {"chosen_head": int(self.chosen)}

    def chosen_head(self) -> str | None:
        """The head with the lowest loss of the last epoch; None before the first has ended."""
        number = int(self.chosen)
        return list(self.heads)[number] if number >= 0 else None

    def _label_losses(self, features: Tensor, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Mean cross entropy of each head [T] over the global batch, and the share of right answers."""
        wanted = self.labels[indices.to(self.labels.device)]
        count = distributed.all_sum(features.new_tensor(float(len(indices)), dtype=torch.float32))
        losses, right = [], torch.zeros((), device=features.device)
        for head, column in zip(self.heads.values(), wanted.unbind(dim=1), strict=True):
            logits = head(features)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            losses.append(F.cross_entropy(logits, column, reduction="sum"))
            right = right + (logits.detach().argmax(dim=1) == column).sum()
        return distributed.all_sum(torch.stack(losses)) / count, distributed.all_sum(right) / count / len(
            losses
        )


@needs("pseudo_labels")
def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options; `pseudo_labels` [N, T] are those that another run found."""
    chosen = read_options(RelabelledOptions, options, "objective relabelled")
    labels = setting.array("pseudo_labels").long()
    if labels.ndim != 2 or labels.shape[1] != len(networks.heads):
        columns = labels.shape[1] if labels.ndim == 2 else 1
        raise UserError(
            f"objective relabelled: {columns} heads gave the labels that were found, but the job has "
            f"{len(networks.heads)}: give it as many"
        )
    for column, head in zip(labels.unbind(dim=1), networks.heads.values(), strict=True):
        largest = int(column.max())
        if int(column.min()) < 0 or largest >= head.width:
            raise UserError(
                f"objective relabelled: the labels that were found go up to {largest}, but a head has "
                f"{head.width} outputs: give it one per cluster"
            )
    return Relabelled(networks, chosen, labels)
