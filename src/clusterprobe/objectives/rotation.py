"""RotNet: tell by how many quarter turns an image was rotated (Gidaris et al., arXiv 1803.07728)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.rotations import ROTATIONS, rotate
from clusterprobe.train.distributed import all_sum
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class RotationOptions:
    """There is nothing to choose."""


def rotation_loss(logits: Tensor, turns: Tensor) -> Loss:
    """Return the mean cross entropy of logits [b, 4] with quarter turns [b] over all processes; the share
    that is right is logged as `rotation_accuracy`."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    count = all_sum(logits.new_tensor(float(len(turns))))
    right = (logits.detach().argmax(dim=1) == turns).to(logits.dtype).sum()
    value = all_sum(F.cross_entropy(logits, turns, reduction="sum")) / count
    return Loss(value, {"rotation_accuracy": all_sum(right) / count})


class Rotation(Objective):
    """All four rotations of one augmented view of every image through body and head "0"."""

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """One augmentation of the images."""
        return [View(indices)]

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy over all rotations of the global batch."""
        rotated, turns = rotate(batch.views[0])
        return rotation_loss(self.heads["0"](self.body(rotated)), turns)


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    read_options(RotationOptions, options, "objective rotation")
    if "0" not in networks.heads or networks.heads["0"].width != ROTATIONS:
        raise UserError(f"objective rotation: the job needs a head with {ROTATIONS} outputs")
    return Rotation(networks)
