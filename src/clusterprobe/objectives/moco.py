"""MoCo: pick an image's key out of a queue of others (He et al., arXiv 1911.05722; v2: arXiv 2003.04297).

Version 2 is the same objective with an MLP as head, stronger augmentation and a temperature of 0.2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.grouped import apart, ordered_groups, shuffled_groups
from clusterprobe.objectives.kernels.instance_contrast import info_nce
from clusterprobe.objectives.kernels.instances import (
    InstanceObjective,
    head_of,
    mean_over_batch,
    own_rows,
    require,
    unit,
)
from clusterprobe.objectives.kernels.jigsaw import JigsawBranch, draw_patches
from clusterprobe.train.distributed import gather
from clusterprobe.train.momentum_encoder import MomentumEncoder
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class MocoOptions:
    """Options of momentum contrast.

    Attributes:
        queue: keys of earlier batches that an image is held against.
        temperature: by which similarities are divided; 0.2 in version 2.
        momentum: share of its old parameters that the key encoder keeps in every step.
        norm_groups: parts of the batch that are normalised apart, with keys shuffled among them, in place of
            the paper's shuffling between as many GPUs; 1: the whole batch, on any number of processes.
        looks: views of each image that are queries, 1 or 2; one more is the key.
        jigsaw: weight of a second query, made of the shuffled patches of a further view (the augmentation
            `jigsaw` of the job), as InfoMin has it (PIRL, arXiv 1912.01991); the rest is the weight of the
            first. 0: none.
    """

    queue: int = 65536
    temperature: float = 0.07
    momentum: float = 0.999
    norm_groups: int = 1
    looks: int = 1
    jigsaw: float = 0.0

    def __post_init__(self) -> None:
        whole = {"queue": self.queue, "norm_groups": self.norm_groups}
        require({"temperature": self.temperature, **whole}, self.looks)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must lie in [0, 1), not {self.momentum}")
        if not 0 <= self.jigsaw < 1:
            raise ValueError(f"jigsaw must lie in [0, 1), not {self.jigsaw}")


class Moco(InstanceObjective):
    """Queries of the trained network against keys of its slow copy; the keys then join the queue.

    Args:
        networks: a body and head "0".
        options: see `MocoOptions`.
        setting: of the run.
    """

    queue: Tensor
    oldest: Tensor

    def __init__(self, networks: Networks, options: MocoOptions, setting: Setting) -> None:
        super().__init__(networks, options.looks)
        self.options, self.setting = options, setting
        head = head_of(networks, "moco")
        self.keys = MomentumEncoder(nn.Sequential(networks.body, head), options.momentum)
        drawn = torch.randn((options.queue, head.width), generator=make_generator(setting.seed, "queue"))
        self.register_buffer("queue", F.normalize(drawn, dim=1))
        self.register_buffer("oldest", torch.tensor(0))
        self.patches = JigsawBranch(networks.body.width, head.width) if options.jigsaw else None
        self._fresh: Tensor | None = None

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """The queries, the key, and what is cut into patches."""
        further = [View(indices, "jigsaw")] if self.patches is not None else []
        return [View(indices)] * (self.looks + 1) + further

    def features(self, batch: Batch) -> tuple[Tensor, ...]:
        """As ever, in groups if the batch is normalised in groups."""
        own = own_rows(ordered_groups(self._size(batch), self.options.norm_groups))
        images = torch.cat(batch.views[: self.looks])
        return apart(self.body, images, own.repeat(self.looks), self.options.norm_groups).chunk(self.looks)

    def instance_loss(self, features: Sequence[Tensor], batch: Batch) -> Loss:
        """Mean of InfoNCE over the queries, all against the same key and queue."""
        generator = make_generator(self.setting.seed, "moco", batch.epoch, batch.step)
        groups = shuffled_groups(self._size(batch), self.options.norm_groups, generator)
        with torch.no_grad():
            looked = batch.views[self.looks]
            keys = unit(apart(self.keys, looked, own_rows(groups), self.options.norm_groups))
        value = self._contrast(self.embed(features), keys)
        logged = {"instance_loss": value.detach()}
        if self.patches is not None:
            images = batch.views[self.looks + 1]
            drawn = own_rows(draw_patches(self._size(batch), images.shape[-1], generator))
            shuffled = self._contrast([unit(self.patches(self.body, images, drawn))], keys)
            logged["jigsaw_loss"] = shuffled.detach()
            value = torch.lerp(value, shuffled, self.options.jigsaw)
        self._fresh = gather(keys)
        return Loss(value, logged)

    @torch.no_grad()
    def after_step(self) -> None:
        """Let the key encoder follow, and put the keys of this step in the place of the oldest."""
        assert self._fresh is not None
        self.keys.follow(nn.Sequential(self.body, self.heads["0"]))
        fresh = self._fresh[-len(self.queue) :]
        places = (self.oldest + torch.arange(len(fresh), device=fresh.device)) % len(self.queue)
        self.queue[places] = fresh
        self.oldest.copy_((self.oldest + len(fresh)) % len(self.queue))
        self._fresh = None

    def _contrast(self, queries: Sequence[Tensor], keys: Tensor) -> Tensor:
        with torch.autocast(keys.device.type, enabled=False):
            losses = [info_nce(each, keys, self.queue, self.options.temperature) for each in queries]
            return mean_over_batch(torch.stack(losses).mean(dim=0))

    def _size(self, batch: Batch) -> int:
        """Images of the global batch."""
        return len(gather(batch.indices))


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(MocoOptions, options, "objective moco")
    if 2 * chosen.norm_groups > setting.batch_size:
        raise UserError(
            f"objective moco: {chosen.norm_groups} norm_groups leave a batch of {setting.batch_size} less "
            "than two images each; use fewer groups"
        )
    return Moco(networks, chosen, setting)
