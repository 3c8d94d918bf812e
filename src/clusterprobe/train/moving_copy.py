"""A copy of a network that follows it slowly: mean teacher, momentum encoder."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class MovingCopy(nn.Module):
    """A network whose parameters are an exponential moving average of those of another (arXiv 1703.01780).

    It never trains by gradient and stays in evaluation mode. With `decay` 0 it is the other network after
    its latest step.

    Args:
        network: the network to start from.
        decay: share of the old parameters that every step keeps.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def follow(self, network: nn.Module, *, buffers: bool = True) -> None:
        """Take one step: average the parameters, and copy the buffers (running statistics) if `buffers`."""
        for average, parameter in zip(self.network.parameters(), network.parameters(), strict=True):
            average.lerp_(parameter, 1 - self.decay)
        if buffers:
            for own, other in zip(self.network.buffers(), network.buffers(), strict=True):
                own.copy_(other)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """What the averaged network says."""
        outputs: Tensor = self.network(images)
        return outputs

    def train(self, mode: bool = True) -> MovingCopy:
        """Stay in evaluation mode."""
        return super().train(False)
