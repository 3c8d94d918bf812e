"""The network that gives an output of an encoder: pooled features, a head, or a layer."""

from __future__ import annotations

from typing import Literal

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.canonical import Encoder
from clusterprobe.encoders.heads import Head
from clusterprobe.features.layers import LayerOutput, layer_width

Mode = Literal["eval", "reference"]


def output_network(encoder: Encoder, output: str, mode: Mode) -> nn.Module:
    """Return the network from images to the tensor `output`, with its modules in the given mode.

    `output` is "pooled", "head:NAME" or "layer:NAME" (`layers.LayerOutput`); raises UserError for another. In
    mode "reference" modules are in training mode, as published code (arXiv 2008.10312) had them.
    """
    network: nn.Module = encoder.body
    kind, _, name = output.partition(":")
    if kind == "layer":
        network = LayerOutput(encoder.body, name)
    elif output != "pooled":
        network = nn.Sequential(encoder.body, _head(encoder, output))
    network.train(mode == "reference")
    if mode == "reference":
        for module in network.modules():
            if isinstance(module, _BatchNorm):
                module.track_running_stats = False  # the stored statistics are neither used nor updated
    return network


def output_width(encoder: Encoder, output: str) -> int:
    """Return how many features an output has; raises UserError as `output_network` does."""
    if output.startswith("layer:"):
        return layer_width(encoder, output.partition(":")[2])
    return encoder.body.width if output == "pooled" else _head(encoder, output).width


def _head(encoder: Encoder, output: str) -> Head:
    kind, _, name = output.partition(":")
    if kind != "head" or name not in encoder.heads:
        choices = ["pooled", "layer:NAME", *(f"head:{name}" for name in encoder.heads)]
        raise UserError(f"the encoder has no output {output!r}: {nearest(output, choices)}")
    return encoder.heads[name]
