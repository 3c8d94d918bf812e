"""Multi-modal deep clustering: images are drawn to the components of a Gaussian mixture on the sphere.

Shiran & Weinshall, arXiv 1912.02678. A cluster is a component: an image belongs to the nearest mean. As the
head of kind `nearest-mean` gives the cosines with the means, that is its highest output. Passes over the
images count as epochs: where rotations alternate with targets per epoch, n epochs of the paper are 2 n here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import NearestMean
from clusterprobe.images.seeds import make_generator
from clusterprobe.objectives.kernels.gaussian_targets import (
    MEANS,
    SIZES,
    draw_components,
    draw_means,
    draw_points,
)
from clusterprobe.objectives.kernels.refinement import refined_clusters
from clusterprobe.objectives.nat import Nat, NatOptions, only_head
from clusterprobe.train.distributed import from_first
from clusterprobe.train.divergence import check_finite
from clusterprobe.train.objective import Epoch, Networks, Objective, Setting
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class MmdcOptions(NatOptions):
    """Options of the mixture and of its refinement; see also `NatOptions`.

    Attributes:
        means: "one-hot", as in the paper's experiments, or "random", see `draw_means`.
        sigma: standard deviation of a component along each axis; 0: every target is a mean.
        sizes: of the components, "balanced" or "multinomial", see `draw_components`.
        refine_from: pass over the images, from 0, from which on the targets are renewed by k-means on all
            outputs before every epoch (of both tasks), and no longer swapped; None: never, 0: from the start.
    """

    means: str = "one-hot"
    sigma: float = 0.0
    sizes: str = "balanced"
    refine_from: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, valid in {"means": MEANS, "sizes": SIZES}.items():
            if getattr(self, name) not in valid:
                words = ", ".join(valid)
                raise ValueError(f"{name} must be one of {words}, not {getattr(self, name)!r}")
        if self.sigma < 0:
            raise ValueError(f"sigma must not be negative, but is {self.sigma}")
        if self.refine_from is not None and self.refine_from < 0:
            raise ValueError(f"refine_from must not be negative, but is {self.refine_from}")


class Mmdc(Nat):
    """Noise as targets where the noise has as many modes as there shall be clusters.

    Args:
        networks: a body and head "0" of kind `nearest-mean`, whose means are set.
        options: see `MmdcOptions`.
        points: targets [M, D], the K means first.
        owned: row of `points` for every training image, int64 [N].
        components: component of each of the points, int64 [M].
    """

    components: Tensor
    refining: Tensor

    def __init__(
        self, networks: Networks, options: MmdcOptions, points: Tensor, owned: Tensor, components: Tensor
    ) -> None:
        super().__init__(networks, options, points, owned)
        self.refine_from = options.refine_from
        self.count = networks.heads["0"].width
        self.register_buffer("components", components)
        self.register_buffer("refining", torch.tensor(False))

    @property
    def clusters(self) -> Tensor:
        """The component that each training image is drawn to, int64 [N]."""
        return self.components[self.owned]

    def swaps(self) -> bool:
        """Until the refinement."""
        return not self.refining

    def embed(self, images: Tensor) -> Tensor:
        """Points on the sphere, float32 [B, D], of images [B, C, S, S]."""
        return cast(NearestMean, self.heads["0"]).embed(self.body(images))

    @torch.no_grad()
    def before_epoch(self, epoch: Epoch) -> None:
        """Turn to the other task; in the refinement, renew the targets once for both."""
        super().before_epoch(epoch)
        passes = 2 if self.options.rotation == "epochs" else 1
        if self.refine_from is None or epoch.number < self.refine_from or epoch.number % passes:
            return
        self.refining.fill_(True)
        self.eval()
        outputs = torch.cat([self.embed(images) for _, images in epoch.plain("train")])
        check_finite(outputs)
        seed = int(torch.randint(2**31, (), generator=epoch.generator))
        found = refined_clusters(outputs.cpu().numpy(), self.clusters.cpu().numpy(), self.count, seed)
        agreed = np.frombuffer(from_first(found.tobytes()) or b"", dtype=np.int64)
        self.owned.copy_(torch.from_numpy(agreed.copy()))

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Log how evenly the images are drawn to the components."""
        counts = torch.bincount(self.clusters, minlength=self.count)
        return {"largest_target_share": float(counts.max()) / len(self.owned)}

    def chosen_head(self) -> str:
        """The only head."""
        return "0"


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options: draw the means, the components and the targets."""
    chosen = read_options(MmdcOptions, options, "objective mmdc")
    head = only_head(networks, "mmdc")
    if not isinstance(head, NearestMean):
        raise UserError("objective mmdc: the job needs a head of kind 'nearest-mean'")
    generator = make_generator(setting.seed, "targets")
    try:
        means = draw_means(chosen.means, head.width, head.embedding, generator)
    except ValueError as error:
        hint = "set `embedding` of the head, or `means: random`"
        raise UserError(f"objective mmdc: {error}: {hint}") from error
    head.means.copy_(means)
    drawn = draw_components(setting.images, head.width, chosen.sizes, generator)
    every = torch.arange(head.width)
    if chosen.sigma == 0:
        return Mmdc(networks, chosen, means, drawn, every)
    points = torch.cat([means, draw_points(means, drawn, chosen.sigma, generator)])
    owned = head.width + torch.arange(setting.images)
    return Mmdc(networks, chosen, points, owned, torch.cat([every, drawn]))
