"""NPID: tell every image from all others by a memory of their embeddings (Wu et al., arXiv 1805.01978)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.instance_contrast import fixed_normaliser, nce
from clusterprobe.objectives.kernels.instances import (
    InstanceObjective,
    head_of,
    mean_over_batch,
    own_rows,
    require,
    unit,
)
from clusterprobe.train.distributed import gather
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting
from clusterprobe.train.options import read_options

LOSSES = ("softmax", "nce")


@dataclass(frozen=True)
class NpidOptions:
    """Options of instance discrimination with a memory.

    Attributes:
        loss: "softmax" over the whole memory, or "nce" with `negatives` images drawn for each.
        temperature: by which similarities are divided.
        momentum: share of its old entry that an image keeps in the memory at every visit.
        negatives: images that each image is held against; for nce.
        looks: augmented views of each image in a step, 1 or 2.
    """

    loss: str = "softmax"
    temperature: float = 0.07
    momentum: float = 0.5
    negatives: int = 4096
    looks: int = 1

    def __post_init__(self) -> None:
        require({"temperature": self.temperature, "negatives": self.negatives}, self.looks)
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {self.loss!r}")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), not {self.momentum}")


class Npid(InstanceObjective):
    """Every image is a class of its own; its weight vector is what the memory holds of it.

    Args:
        networks: a body and head "0".
        options: see `NpidOptions`.
        setting: of the run.
    """

    memory: Tensor
    normaliser: Tensor

    def __init__(self, networks: Networks, options: NpidOptions, setting: Setting) -> None:
        super().__init__(networks, options.looks)
        self.options, self.setting = options, setting
        shape = (setting.images, head_of(networks, "npid").width)
        drawn = torch.randn(shape, generator=make_generator(setting.seed, "memory"))
        self.register_buffer("memory", F.normalize(drawn, dim=1))
        self.register_buffer("normaliser", torch.tensor(0.0))
        self._seen: tuple[Tensor, Sequence[Tensor]] | None = None

    def instance_loss(self, features: Sequence[Tensor], batch: Batch) -> Loss:
        """Mean loss of the views; what they were embedded as enters the memory after the step."""
        embedded = self.embed(features)
        with torch.autocast(self.memory.device.type, enabled=False):
            rows = batch.indices.to(self.memory.device)
            drawn = self._draw(batch) if self.options.loss == "nce" else None
            losses = torch.stack([self._losses(each, rows, drawn) for each in embedded])
            value = mean_over_batch(losses.mean(dim=0))
        self._seen = gather(rows), [gather(each.detach()) for each in embedded]
        return Loss(value, {"instance_loss": value.detach()})

    def _losses(self, embedded: Tensor, rows: Tensor, drawn: Tensor | None) -> Tensor:
        if drawn is None:
            logits = embedded @ self.memory.T / self.options.temperature
            return F.cross_entropy(logits, rows, reduction="none")
        compared = self.memory[torch.cat([rows[:, None], drawn], dim=1)]
        logits = torch.einsum("bd,bmd->bm", embedded, compared) / self.options.temperature
        if self.normaliser == 0:
            mean = mean_over_batch(logits.detach().exp().mean(dim=1))
            self.normaliser.copy_(fixed_normaliser(mean, self.setting.images))
        return nce(logits, self.setting.images, self.normaliser)

    def _draw(self, batch: Batch) -> Tensor:
        """Rows of the memory [b, M] that this process's images are held against."""
        generator = make_generator(self.setting.seed, "negatives", batch.epoch, batch.step)
        count = len(gather(batch.indices))
        drawn = torch.randint(self.setting.images, (count, self.options.negatives), generator=generator)
        return own_rows(drawn).to(self.memory.device)

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the entries of the images that were seen towards their embeddings, view by view."""
        assert self._seen is not None
        rows, embedded = self._seen
        for view in embedded:
            self.memory[rows] = unit(torch.lerp(view, self.memory[rows], self.options.momentum))
        self._seen = None


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    return Npid(networks, read_options(NpidOptions, options, "objective npid"), setting)
