"""CLD: beside telling images apart, tell apart the groups of their batch, each view by those of the other.

Cross-level instance-group discrimination (Wang et al., arXiv 2008.03813). It stands on any objective that
tells instances apart. Where its paper says one thing and its reference code does another, an option decides,
and the default is what the paper says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.cluster.batch_kmeans import BatchClusters, batch_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.objectives.kernels.instances import InstanceObjective, mean_over_batch, require, unit
from clusterprobe.objectives.loading import load_objective
from clusterprobe.train import distributed
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options

CENTRES = ("unit", "means")
EMPTY = ("left-out", "zero")
SCOPES = ("batch", "process")


@dataclass(frozen=True)
class CldOptions:
    """Options of the group branch.

    Attributes:
        base: {name, options} of the objective that tells instances apart, with two looks at each image.
        groups: number of groups that each view of a batch is cut into; fewer than its images.
        weight: of the group loss (lambda); the instance loss has 1.
        temperature: by which similarities with centres are divided.
        iterations: rounds of k-means.
        centres: "unit": of unit length, so that k-means is spherical, as in the paper; "means": plain means,
            as in the reference code, whose length grows with the number of groups.
        attached: whether gradients reach the network through the centres too, as in the reference code.
        empty: "left-out": an empty group is no negative; "zero": it is one, at zero, as in the reference
            code.
        scope: "batch": the images of all processes are grouped together; "process": each process groups its
            own, as in the reference code.
        shared: heads that are MLPs share all layers but the last, as in the reference code.
        every_image_a_group: allow as many groups as images, or more. There is then nothing to group: the loss
            contrasts the two views of each image within the batch.
    """

    groups: int
    base: Mapping[str, Any] = field(default_factory=lambda: {"name": "moco"})
    weight: float = 0.25
    temperature: float = 0.2
    iterations: int = 5
    centres: str = "unit"
    attached: bool = False
    empty: str = "left-out"
    scope: str = "batch"
    shared: bool = True
    every_image_a_group: bool = False

    def __post_init__(self) -> None:
        require({"temperature": self.temperature, "iterations": self.iterations, "groups": self.groups})
        if self.weight < 0:
            raise ValueError(f"weight must not be negative, but is {self.weight}")
        for name, valid in {"centres": CENTRES, "empty": EMPTY, "scope": SCOPES}.items():
            if getattr(self, name) not in valid:
                raise ValueError(f"{name} must be one of {', '.join(valid)}, not {getattr(self, name)!r}")
        if not self.base.get("name") or self.base.keys() - {"name", "options"}:
            raise ValueError(f"base must have a name, and may have options, but is {dict(self.base)}")


def group_contrast(points: Tensor, clusters: BatchClusters, temperature: float, empty: str) -> Tensor:
    """Cross entropy [B] of picking for each point [B, D] the centre that its other view belongs to.

    `clusters` are those of the other view. Empty groups are left out, or count as zero vectors (equation 4).
    """
    logits = points @ clusters.centres.T / temperature
    if empty == "left-out":
        logits = logits.masked_fill(clusters.sizes == 0, float("-inf"))
    return F.cross_entropy(logits, clusters.labels, reduction="none")


def cross_level_losses(
    view1: Tensor, view2: Tensor, options: CldOptions
) -> tuple[Tensor, tuple[BatchClusters, BatchClusters]]:
    """Mean of both directions [B] for unit vectors of two views [B, D], and the groups of each view."""
    found = []
    for view in (view1, view2):
        points = view if options.attached else view.detach()
        spherical = options.centres == "unit"
        found.append(batch_kmeans(points, options.groups, options.iterations, spherical=spherical))
    first = group_contrast(view1, found[1], options.temperature, options.empty)
    second = group_contrast(view2, found[0], options.temperature, options.empty)
    return (first + second) / 2, (found[0], found[1])


def require_groups(options: CldOptions, images: int) -> None:
    """Raise UserError if so many images that are grouped together leave nothing to group."""
    if options.groups < images or options.every_image_a_group:
        return
    raise UserError(
        f"objective cld: {options.groups} groups for {images} images that are grouped together leave nothing "
        "to group: every image would be a group of its own. The published setting for ImageNet, 120 groups "
        "for 64 images on each GPU, is such a case. Take fewer groups or a larger batch, group the whole "
        "batch (scope: batch), drop a smaller last batch, or allow it by `every_image_a_group: true`"
    )


class Cld(Objective):
    """The loss of `base`, and `weight` times that of the groups; head "0" embeds instances, head "1" groups.

    Args:
        base: tells instances apart by head "0", with two looks.
        groups: head "1", on the same body.
        options: see `CldOptions`.
    """

    def __init__(self, base: InstanceObjective, groups: Head, options: CldOptions) -> None:
        super().__init__(Networks(base.body, {"0": cast(Head, base.heads["0"]), "1": groups}))
        self.base = base
        self.options = options

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """Those of the base."""
        return self.base.views(indices, generator)

    def loss(self, batch: Batch) -> Loss:
        """Both losses, on one pass through the body."""
        features = self.base.features(batch)
        instances = self.base.instance_loss(features, batch)
        embedded = self.heads["1"](torch.cat(features))
        with torch.autocast(embedded.device.type, enabled=False):
            view1, view2 = unit(embedded).chunk(2)
            if self.options.scope == "batch":
                view1, view2 = distributed.gather(view1), distributed.gather(view2)
            require_groups(self.options, len(view1))
            losses, (found, other) = cross_level_losses(view1, view2, self.options)
            value = losses.mean() if self.options.scope == "batch" else mean_over_batch(losses)
        logged = {
            **instances.logged,
            "group_loss": value.detach(),
            "groups_used": ((found.sizes > 0).sum() + (other.sizes > 0).sum()).float() / 2,
        }
        return Loss(instances.value + self.options.weight * value, logged, instances.optimiser)

    def optimisers(self) -> Sequence[str]:
        """Those of the base."""
        return self.base.optimisers()

    def before_epoch(self, epoch: Epoch) -> None:
        """Prepare the base."""
        self.base.before_epoch(epoch)

    def before_step(self, epoch: Epoch) -> None:
        """Prepare the base."""
        self.base.before_step(epoch)

    def after_step(self) -> None:
        """Let the base follow."""
        self.base.after_step()

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """What the base has to say."""
        return self.base.after_epoch(epoch)

    def finished(self) -> bool:
        """Whether the base is."""
        return self.base.finished()


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options; `base` names another one, see `CldOptions`."""
    chosen = read_options(CldOptions, options, "objective cld")
    if list(networks.heads) != ["0", "1"]:
        raise UserError(
            f"objective cld: the job needs two heads, one for instances and one for groups, not "
            f"{len(networks.heads)}: give it `head: {{count: 2}}`"
        )
    instance, groups = networks.heads["0"], networks.heads["1"]
    if chosen.shared:
        for number in range(len(instance) - 1):
            groups[number] = instance[number]
    base = _base(Networks(networks.body, {"0": instance}), chosen, setting)
    require_groups(
        chosen, setting.batch_size // (distributed.world_size() if chosen.scope == "process" else 1)
    )
    return Cld(base, groups, chosen)


def _base(networks: Networks, options: CldOptions, setting: Setting) -> InstanceObjective:
    name, given = options.base["name"], dict(options.base.get("options") or {})
    if name in ("npid", "moco"):
        given = {"looks": 2} | given
    base = load_objective(name)(networks, given, setting)
    if not isinstance(base, InstanceObjective):
        raise UserError(f"objective cld: its base {name!r} does not tell instances apart; npid, moco, ... do")
    if base.looks != 2:
        raise UserError(f"objective cld: its base {name!r} must look at each image twice: set `looks: 2`")
    return base
