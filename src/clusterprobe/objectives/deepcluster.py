"""DeepCluster: learn the clusters that k-means finds in the features, found anew before every epoch.

Caron et al., arXiv 1807.05520.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.images.seeds import derive_seed
from clusterprobe.objectives.kernels.feature_clusters import cluster_features
from clusterprobe.objectives.kernels.instances import mean_over_batch
from clusterprobe.train.divergence import check_finite
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class DeepclusterOptions:
    """Options of clustering and relabelling.

    Attributes:
        dims: principal components that features are whitened in before k-means; no more than there are.
        every: epochs between two clusterings.
        iterations: passes of k-means, from one random start.
        uniform: clusters are seen equally often, whatever their sizes.
    """

    dims: int = 256
    every: int = 1
    iterations: int = 20
    uniform: bool = True

    def __post_init__(self) -> None:
        if min(self.dims, self.every, self.iterations) < 1:
            raise ValueError("dims, every and iterations must be at least 1")


class Deepcluster(Objective):
    """Cross entropy of head "0" with the cluster of each image; the head starts anew with new clusters.

    Args:
        networks: a body and one linear head "0" with an output for each cluster.
        options: see `DeepclusterOptions`.
        setting: of the run.
    """

    clusters: Tensor
    dealt: Tensor
    changed: Tensor

    def __init__(self, networks: Networks, options: DeepclusterOptions, setting: Setting) -> None:
        super().__init__(networks)
        self.options, self.seed = options, setting.seed
        self.register_buffer("clusters", torch.zeros(setting.images, dtype=torch.int64))
        self.register_buffer("dealt", torch.arange(setting.images))
        self.register_buffer("changed", torch.tensor(1.0, dtype=torch.float64))

    def before_epoch(self, epoch: Epoch) -> None:
        """Find clusters and reset the head if it is time; deal out the images of the epoch."""
        if epoch.number % self.options.every == 0:
            self._relabel(epoch)
        if self.options.uniform:
            self.dealt.copy_(uniform_over(self.clusters.cpu(), epoch.generator))

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """One augmentation of the images that stand in the places `indices` of this epoch."""
        return [View(self.dealt.cpu()[indices])]

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy with the clusters over the global batch."""
        logits = self.heads["0"](self.body(batch.views[0])).float()
        wanted = self.clusters[self.dealt[batch.indices.to(self.dealt.device)]]
        right = mean_over_batch((logits.detach().argmax(dim=1) == wanted).float())
        return Loss(mean_over_batch(F.cross_entropy(logits, wanted, reduction="none")), {"accuracy": right})

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Log how many images changed their cluster beyond renaming, and how uneven clusters are."""
        sizes = torch.bincount(self.clusters)
        return {
            "largest_share": float(sizes.max() / sizes.sum()),
            "clusters_used": int((sizes > 0).sum()),
            "changed": float(self.changed),
        }

    def found(self) -> Mapping[str, Tensor]:
        """The cluster of every image, int64 [N]."""
        return {"clusters": self.clusters}

    @torch.no_grad()
    def _relabel(self, epoch: Epoch) -> None:
        self.eval()
        features = torch.cat([self.body(images).float().cpu() for _, images in epoch.plain("train")])
        check_finite(features)
        before = self.clusters.cpu().numpy() if epoch.number else None
        seed = derive_seed(self.seed, "clusters", epoch.number) % 2**32
        head = cast(Head, self.heads["0"])
        found = cluster_features(
            features.numpy(), head.width, self.options.dims, self.options.iterations, seed, before
        )
        self.changed.fill_(1.0 if before is None else float(np.mean(found != before)))
        self.clusters.copy_(torch.from_numpy(found))
        generator = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=epoch.generator)))
        for name, values in head.named_parameters():
            fresh = torch.empty(values.shape).normal_(0, 0.01, generator=generator)
            values.copy_(fresh if name.endswith("weight") else torch.zeros_like(fresh))
        self.train()


def uniform_over(clusters: Tensor, generator: torch.Generator) -> Tensor:
    """Draw as many images as there are, int64 [N], every cluster that is not empty about equally often.

    Images of a cluster come in random order and repeat only when all have come.
    """
    used = torch.unique(clusters)
    quota = -(-len(clusters) // len(used))
    drawn = []
    for cluster in used:
        members = torch.nonzero(clusters == cluster)[:, 0]
        rounds = -(-quota // len(members))
        orders = [members[torch.randperm(len(members), generator=generator)] for _ in range(rounds)]
        drawn.append(torch.cat(orders)[:quota])
    everything = torch.cat(drawn)
    return everything[torch.randperm(len(everything), generator=generator)[: len(clusters)]]


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(DeepclusterOptions, options, "objective deepcluster")
    head = networks.heads.get("0")
    if len(networks.heads) != 1 or head is None or [type(layer) for layer in head] != [nn.Linear]:
        raise UserError(
            "objective deepcluster: the job needs one head of kind linear, with an output for each cluster"
        )
    if head.width > setting.images:
        raise UserError(
            f"objective deepcluster: {head.width} clusters for {setting.images} images; use fewer"
        )
    return Deepcluster(networks, chosen, setting)
