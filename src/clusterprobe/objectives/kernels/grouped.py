"""Forward passes in groups of a batch, so that no normalisation layer sees two groups at once.

In MoCo (arXiv 1911.05722, section 3.3) each GPU normalises its own part of the batch, and keys are shuffled
over the GPUs, so that a query and its key do not share their statistics. Groups do the same on any number of
processes: those of the queries follow the order of the batch, those of the keys are drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ordered_groups(batch: int, groups: int) -> Tensor:
    """Group int64 [B] of each place of the batch: contiguous parts of nearly equal size."""
    return torch.arange(batch) * groups // batch


def shuffled_groups(batch: int, groups: int, generator: torch.Generator) -> Tensor:
    """Group int64 [B] of each place of the batch: parts of the same sizes, drawn at random."""
    return ordered_groups(batch, groups)[torch.randperm(batch, generator=generator)]


def apart(network: nn.Module, images: Tensor, own: Tensor, groups: int) -> Tensor:
    """Outputs [b, D] of a network on images [b, ...], one group after the other.

    `own` [b] holds the groups of this process's images: all processes meet in every group, also where one
    has no image of it.
    """
    if groups == 1:
        outputs: Tensor = network(images)
        return outputs
    places = [torch.nonzero(own == group)[:, 0].to(images.device) for group in range(groups)]
    outputs = torch.cat([network(images[rows]) for rows in places])
    return outputs[torch.argsort(torch.cat(places))]
