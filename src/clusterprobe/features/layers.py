"""The output of a layer inside an encoder as features, pooled to about ten thousand values."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.canonical import Encoder

_VALUES = 10_000


class LayerOutput(nn.Module):
    """A body that gives the output of one of its layers: images [B, C, S, S] to features [B, D].

    Maps [B, C, H, W] are cut to the largest grid of s x s maxima with C s s <= 10,000: the pooling of the
    linear probes of SeLa (arXiv 1911.05371), 9,216 to 9,600 values for the five layers of AlexNet. Raises
    UserError for a layer that does not exist, and on its first use for one with another output.
    """

    def __init__(self, body: Body, layer: str) -> None:
        super().__init__()
        self.body, self._layer = body, layer
        layers = {name for name, _ in body.network.named_modules() if name}
        if layer not in layers:
            raise UserError(f"the encoder has no layer {layer!r}: {nearest(layer, layers)}")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found: list[torch.Tensor] = []
        module = self.body.network.get_submodule(self._layer)
        handle = module.register_forward_hook(lambda _, __, output: found.append(self._pooled(output)))
        try:
            self.body(images)
        finally:
            handle.remove()
        if len(found) != 1:
            raise UserError(f"the layer {self._layer!r} is used {len(found)} times: choose one used once")
        return found[0]

    def _pooled(self, output: object) -> torch.Tensor:
        """Return features of their own: the next layer may change the output in place."""
        if isinstance(output, torch.Tensor) and output.dim() == 2:
            return output.clone()
        if isinstance(output, torch.Tensor) and output.dim() == 4:
            side = max(math.isqrt(_VALUES // output.shape[1]), 1)
            grid = [min(side, length) for length in output.shape[2:]]
            return functional.adaptive_max_pool2d(output, grid).flatten(1).clone()
        shape = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise UserError(
            f"the layer {self._layer!r} gives {shape}: choose one that gives maps [B, C, H, W] or [B, D]"
        )


def layer_width(encoder: Encoder, layer: str) -> int:
    """Return how many features a layer of an encoder gives, found by asking it once."""
    wanted = encoder.record.preprocessing
    network = LayerOutput(encoder.body, layer).eval()
    with torch.inference_mode():
        return int(network(torch.zeros(1, wanted.channels, wanted.size, wanted.size)).shape[1])
