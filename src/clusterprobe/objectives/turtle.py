"""TURTLE: a search for labels that a linear classifier on frozen features learns quickly.

Gadetsky, Jiang and Brbic, "Let Go of Your Labels with Unsupervised Transfer", ICML 2024, arXiv 2406.07236,
with one space of features: equations 9 and 12, and the cold start of the classifier. Defaults are those of
the reference code. The published target is 72.9 % on ImageNet, with two spaces: CLIP's ViT-L/14 and
DINOv2's ViT-g/14.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.train.distributed import gather
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, Setting, View
from clusterprobe.train.options import read_options


@dataclass(frozen=True)
class TurtleOptions:
    """Options of the method.

    Attributes:
        entropy_weight: weight of the entropy of the mean label, which keeps the clusters of one size (gamma).
        inner_steps: steps of the classifier, from random weights, before every step of the labels (M).
        inner_rate: learning rate of the classifier, by Adam.
        frozen: always true: the body stays as it is.
    """

    entropy_weight: float = 10.0
    inner_steps: int = 10
    inner_rate: float = 0.001
    frozen: bool = True

    def __post_init__(self) -> None:
        if self.entropy_weight < 0:
            raise ValueError(f"entropy_weight must not be negative, but is {self.entropy_weight}")
        if self.inner_steps < 1 or self.inner_rate <= 0:
            raise ValueError("inner_steps must be at least 1 and inner_rate above 0")
        if not self.frozen:
            raise ValueError("TURTLE labels features that do not change: leave `frozen` at true")


class Turtle(Objective):
    """One linear head gives labels; the loss is what a classifier that has just learnt them still gets wrong.

    Args:
        networks: a body that stays as it is, and one linear head with one output per cluster.
        options: see `TurtleOptions`.
    """

    def __init__(self, networks: Networks, options: TurtleOptions) -> None:
        super().__init__(networks)
        self.options = options
        self.body.requires_grad_(False)
        parametrizations.weight_norm(
            self._linear()
        )  # without it, says the reference code, it works less well

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """The images as they are."""
        return [View(indices, "plain")]

    def train(self, mode: bool = True) -> Turtle:
        """Switch the mode; the body stays in evaluation mode."""
        super().train(mode)
        self.body.eval()
        return self

    def loss(self, batch: Batch) -> Loss:
        """Cross entropy of the classifier with the labels, minus the weighted entropy of their mean."""
        with torch.no_grad():
            features = gather(self.body(batch.views[0])).float()
        labels = self._linear()(features).softmax(dim=1)
        outputs = self._learnt(features, labels.detach())
        error = F.cross_entropy(outputs, labels)
        entropy = torch.special.entr(labels.mean(dim=0)).sum()
        used = labels.argmax(dim=1).unique().numel()
        logged = {
            "error": error.detach(),
            "entropy": entropy.detach(),
            "clusters_used": torch.tensor(float(used)),
        }
        return Loss(error - self.options.entropy_weight * entropy, logged)

    def networks(self) -> Networks:
        """The body and the head, its weights in one piece again."""
        heads = copy.deepcopy(dict(self.heads.items()))
        for head in heads.values():
            parametrize.remove_parametrizations(cast(Head, head)[0], "weight")
        return Networks(self.body, cast(dict[str, Head], heads))

    def _linear(self) -> nn.Module:
        return cast(Head, next(iter(self.heads.values())))[0]

    def _learnt(self, features: Tensor, labels: Tensor) -> Tensor:
        """Return the logits [B, K], without gradient, of a classifier after a few steps on labels [B, K]."""
        with torch.enable_grad():
            classifier = nn.Linear(features.shape[1], labels.shape[1]).to(features.device)
            adam = torch.optim.Adam(classifier.parameters(), lr=self.options.inner_rate)
            for _ in range(self.options.inner_steps):
                adam.zero_grad()
                F.cross_entropy(classifier(features), labels).backward()  # type: ignore[no-untyped-call]
                adam.step()
        with torch.no_grad():
            logits: Tensor = classifier(features)
        return logits


def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
    """Make the objective from plain options."""
    chosen = read_options(TurtleOptions, options, "objective turtle")
    heads = list(networks.heads.values())
    if len(heads) != 1 or len(heads[0]) != 1 or not isinstance(heads[0][0], nn.Linear) or heads[0].normalise:
        raise UserError("objective turtle: the job needs one head of the kind linear")
    return Turtle(networks, chosen)
