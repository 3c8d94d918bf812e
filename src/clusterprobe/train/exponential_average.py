"""Exponential moving average of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ExponentialAverage:
    """shadow <- decay * shadow + (1 - decay) * weights, over the parameters that train.

    Parameters are averaged; buffers (running statistics) stay those of the trained network.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow: dict[str, Tensor] = {
            name: parameter.detach().clone()
            for name, parameter in module.named_parameters()
            if parameter.requires_grad
        }

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take one step towards the weights of `module`."""
        for name, parameter in module.named_parameters():
            if name in self.shadow:
                self.shadow[name].lerp_(parameter, 1 - self.decay)

    @torch.no_grad()
    def copy_to(self, module: nn.Module) -> None:
        """Write the averaged weights into `module`."""
        for name, parameter in module.named_parameters():
            if name in self.shadow:
                parameter.copy_(self.shadow[name])

    def state_dict(self) -> dict[str, Tensor]:
        """The averaged weights by parameter name."""
        return self.shadow

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over averaged weights; they keep this average's device."""
        for name, value in self.shadow.items():
            value.copy_(state[name])
