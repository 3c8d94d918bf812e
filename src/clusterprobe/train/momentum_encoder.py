"""A slow copy of a network that makes the targets of contrastive methods: key encoder, target network."""

from __future__ import annotations

from torch import nn

from clusterprobe.train.moving_copy import MovingCopy


class MomentumEncoder(MovingCopy):
    """A moving copy whose normalisation layers see batches as the network's own do (MoCo, arXiv 1911.05722).

    Unlike a mean teacher it normalises by the statistics of each batch while it trains, and keeps running
    statistics of its own.
    """

    def follow(self, network: nn.Module, *, buffers: bool = False) -> None:
        """Take one step: average the parameters; running statistics stay its own."""
        super().follow(network, buffers=buffers)

    def train(self, mode: bool = True) -> MomentumEncoder:
        """Follow the mode of what it is part of; gradients it never has."""
        nn.Module.train(self, mode)
        return self
