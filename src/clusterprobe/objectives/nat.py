"""Noise as targets: every image is drawn towards a fixed point on the sphere, and batches swap their points.

Bojanowski & Joulin, arXiv 1704.05310. MMDC (arXiv 1912.02678) gives the points a structure and alternates
this with a rotation task; the task stands here, as table IV of MMDC has it with and without structure. Where
its paper and its reference code differ, an option decides, and the default is what the paper says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head, build_head
from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.gaussian_targets import draw_uniform
from clusterprobe.objectives.kernels.rotations import ROTATIONS, rotate
from clusterprobe.objectives.kernels.target_matching import DISTANCES, match
from clusterprobe.objectives.rotation import rotation_loss
from clusterprobe.train.distributed import gather
from clusterprobe.train.divergence import check_finite
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options

ALTERNATIONS = ("never", "epochs", "steps")


@dataclass(frozen=True)
class NatOptions:
    """Options of the matching of targets, and of the rotation task beside it.

    Attributes:
        distance: what the targets of a batch are assigned by, see `matching_costs`: "squared", as the network
            is trained, or "plain", as in the reference code of MMDC.
        loss: "squared" distance to the target, as in the paper; or its "mean" over the dimensions, as in the
            reference code, whose learning rates belong to it.
        views: augmented views of each image in a step (r of MMDC's algorithm 1; its code has one).
        rotation: when rotations are learned: "never"; "epochs": every other pass over the images, the first
            one included; "steps": every other step.
        rotation_crops: whether the four rotations of an image are cut out each on its "own", as in the
            reference code of MMDC, or "shared". The augmentation `rotation` of the job makes the cuts.
        optimisers: 1: both tasks share the memory of one optimiser; 2: each task has its own.
        idle_head: what becomes of the head of the other task: "frozen", or "coasting": with zero gradients
            it goes on with momentum and decay, as in the reference code under the torch of its time. With two
            optimisers it is always frozen.
    """

    distance: str = "squared"
    loss: str = "squared"
    views: int = 1
    rotation: str = "never"
    rotation_crops: str = "own"
    optimisers: int = 1
    idle_head: str = "frozen"

    def __post_init__(self) -> None:
        choices = {
            "distance": DISTANCES,
            "loss": ("squared", "mean"),
            "rotation": ALTERNATIONS,
            "rotation_crops": ("own", "shared"),
            "optimisers": (1, 2),
            "idle_head": ("frozen", "coasting"),
        }
        for name, valid in choices.items():
            if getattr(self, name) not in valid:
                words = ", ".join(map(str, valid))
                raise ValueError(f"{name} must be one of {words}, not {getattr(self, name)!r}")
        if self.views < 1:
            raise ValueError(f"views must be at least 1, not {self.views}")
        if self.rotation == "never" and (self.optimisers == 2 or self.idle_head == "coasting"):
            raise ValueError("two optimisers or an idle head need the rotation task: set `rotation`")
        if self.optimisers == 2 and self.idle_head == "coasting":
            raise ValueError("with two optimisers the idle head is frozen: leave `idle_head` out")


class Nat(Objective):
    """Head "0" maps images to the sphere; `owned` says which of the fixed `points` each image is drawn to.

    Args:
        networks: a body and head "0"; its outputs are projected to the sphere.
        options: see `NatOptions`.
        points: targets, float32 [M, D] of unit length.
        owned: row of `points` for every training image, int64 [N].
    """

    points: Tensor
    owned: Tensor
    rotating: Tensor

    def __init__(self, networks: Networks, options: NatOptions, points: Tensor, owned: Tensor) -> None:
        super().__init__(networks)
        self.options = options
        self.register_buffer("points", points)
        self.register_buffer("owned", owned)
        self.register_buffer("rotating", torch.tensor(False))
        rotates = options.rotation != "never"
        head = {"dimensions": ROTATIONS}
        self.rotation_head = build_head("linear", head, self.body.width) if rotates else None

    def before_epoch(self, epoch: Epoch) -> None:
        """Say whether this pass over the images learns rotations."""
        self.rotating.fill_(self.options.rotation == "epochs" and epoch.number % 2 == 0)

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """For targets: the images as they are (to swap targets by), then augmented. For rotations: cut out.

        Tasks that alternate step by step get both.
        """
        cuts = ROTATIONS if self.options.rotation_crops == "own" else 1
        rotations = [View(indices, "rotation")] * cuts
        if self.rotating:
            return rotations
        plain = [View(indices, "plain")] if self.swaps() else []
        matching = [*plain, *[View(indices)] * self.options.views]
        return matching + rotations if self.options.rotation == "steps" else matching

    def loss(self, batch: Batch) -> Loss:
        """The loss of the task whose turn it is, over the global batch."""
        if self.rotating:
            return self._rotation_loss(batch.views)
        if self.options.rotation != "steps":
            return self._matching_loss(batch, batch.views)
        matching = self.options.views + self.swaps()
        if batch.step % 2 == 0:
            return self._rotation_loss(batch.views[matching:])
        return self._matching_loss(batch, batch.views[:matching])

    def optimisers(self) -> Sequence[str]:
        """One, or one for each task."""
        return ("",) if self.options.optimisers == 1 else ("", "rotation")

    def swaps(self) -> bool:
        """Whether the images of a batch swap targets before every step; it may change between epochs."""
        return True

    def embed(self, images: Tensor) -> Tensor:
        """Points on the sphere, float32 [B, D], of images [B, C, S, S]."""
        return F.normalize(self.heads["0"](self.body(images)).float(), dim=1)

    def _matching_loss(self, batch: Batch, views: Sequence[Tensor]) -> Loss:
        rows = gather(batch.indices.to(self.owned.device))
        logged = {}
        if self.swaps():
            logged["swapped"] = self._swap(rows, views[0])
            views = views[1:]
        embedded = torch.stack(self.embed(torch.cat(tuple(views))).chunk(len(views)), dim=1)
        targets = self.points[self.owned[rows]]
        distance = (gather(embedded) - targets[:, None]).square().sum(dim=2).mean()
        logged["squared_distance"] = distance.detach()
        value = distance if self.options.loss == "squared" else distance / targets.shape[1]
        return Loss(value + self._coasting(self.rotation_head), logged)

    @torch.no_grad()
    def _swap(self, rows: Tensor, plain: Tensor) -> Tensor:
        """Swap targets within the global batch at the lowest cost; return the share that changed."""
        self.eval()
        outputs = gather(self.embed(plain))
        self.train()
        check_finite(outputs)
        before = self.owned[rows]
        matched = match(outputs, self.points[before], self.options.distance)
        after = before[matched.to(before.device)]
        self.owned[rows] = after
        return (after != before).float().mean()

    def _rotation_loss(self, views: Sequence[Tensor]) -> Loss:
        images, turns = rotate(views[0]) if len(views) == 1 else _rotate_each(views)
        found = rotation_loss(cast(nn.Module, self.rotation_head)(self.body(images)), turns)
        optimiser = "" if self.options.optimisers == 1 else "rotation"
        logged = {"rotation_loss": found.value.detach(), **found.logged}
        return Loss(found.value + self._coasting(self.heads["0"]), logged, optimiser)

    def _coasting(self, head: nn.Module | None) -> Tensor | float:
        """Zero, in which an idle head that coasts takes part: so its gradients are zero, not absent."""
        if self.options.idle_head == "frozen" or head is None:
            return 0.0
        return 0.0 * torch.stack([parameter.sum() for parameter in head.parameters()]).sum()


def _rotate_each(views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Turn each of four views [B, C, S, S] of the same images by its own number of quarter turns."""
    turned = [torch.rot90(view, turns, dims=(-2, -1)) for turns, view in enumerate(views)]
    turns = torch.arange(len(views), device=views[0].device).repeat_interleave(len(views[0]))
    return torch.cat(turned), turns


def only_head(networks: Networks, name: str) -> Head:
    """Return head "0"; raises UserError if there are none, or others beside it."""
    if list(networks.heads) != ["0"]:
        raise UserError(f"objective {name}: the job needs one head, not {len(networks.heads)}")
    return networks.heads["0"]


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options: as many points as images, spread over the whole sphere."""
    chosen = read_options(NatOptions, options, "objective nat")
    dimensions = only_head(networks, "nat").width
    generator = make_generator(setting.seed, "targets")
    points = draw_uniform(setting.images, dimensions, generator)
    return Nat(networks, chosen, points, torch.randperm(setting.images, generator=generator))
