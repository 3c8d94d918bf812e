"""What objectives that tell instances apart have in common: embeddings of one or two views of every image."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import Head
from clusterprobe.train.distributed import all_sum, share
from clusterprobe.train.objective import Batch, Loss, Networks, Objective, View


class InstanceObjective(Objective):
    """Tells images apart by embeddings of head "0"; a group branch (`cld`) may stand on the same features.

    Args:
        networks: a body and head "0".
        looks: views of each image that the trained network sees, the first of a batch.
    """

    def __init__(self, networks: Networks, looks: int) -> None:
        super().__init__(networks)
        self.looks = looks

    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """So many augmentations of the same images."""
        return [View(indices)] * self.looks

    def features(self, batch: Batch) -> tuple[Tensor, ...]:
        """What the body makes of the views that it is trained on, [b, D] each; all go through it at once."""
        features: Tensor = self.body(torch.cat(batch.views[: self.looks]))
        return features.chunk(self.looks)

    @abc.abstractmethod
    def instance_loss(self, features: Sequence[Tensor], batch: Batch) -> Loss:
        """The loss of a batch whose views have `features`."""

    def loss(self, batch: Batch) -> Loss:
        """The instance loss alone."""
        return self.instance_loss(self.features(batch), batch)

    def embed(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Points on the sphere, float32 [b, d], of the features of each view."""
        embedded = unit(self.heads["0"](torch.cat(tuple(features))))
        return embedded.chunk(len(features))


def unit(embeddings: Tensor) -> Tensor:
    """Project embeddings [B, D] onto the sphere, in float32."""
    return F.normalize(embeddings.float(), dim=1)


def mean_over_batch(values: Tensor) -> Tensor:
    """Mean of the rows [b] of all processes."""
    count = all_sum(values.new_tensor(float(len(values))))
    return all_sum(values.sum()) / count


def own_rows(drawn: Tensor) -> Tensor:
    """This process's share of what was drawn for the global batch [B, ...]."""
    return drawn[share(len(drawn))]


def head_of(networks: Networks, name: str) -> Head:
    """Return head "0"; raises UserError if the job has none, or others beside it."""
    if list(networks.heads) != ["0"]:
        raise UserError(
            f"objective {name}: the job needs one head, not {len(networks.heads)} (two are for `cld`)"
        )
    return networks.heads["0"]


def require(positive: dict[str, float], looks: int = 1) -> None:
    """Raise ValueError for a number that is not positive, or for a number of looks other than 1 and 2."""
    for name, value in positive.items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, not {value}")
    if looks not in (1, 2):
        raise ValueError(f"looks must be 1 or 2, not {looks}")
