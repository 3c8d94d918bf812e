"""Where and how fast features are computed, never what they are, but for rounding on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Literal, NotRequired, TypedDict

import torch
from torch import Tensor, nn

from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.batches import CutInputs, Inputs
from clusterprobe.features.cuts import Cut
from clusterprobe.features.layers import LayerOutput

Device = Literal["auto", "cpu", "cuda"]
Resize = Literal["workers", "device"]
Network = Callable[[Tensor], Tensor]

ACCELERATORS = ("cuda",)
"""Devices on which `resize` and `compiled` count: elsewhere both would only take longer."""


class Execution(TypedDict):
    """The choices, as `compute` of a configuration has them.

    Attributes:
        batch_size: images of a forward pass; in mode "reference" it is a part of what is computed.
        workers: processes that decode images; 0: this one.
        device: where the network runs.
        resize: who resizes images, the workers or the device; the bytes are the same (`device_resize`).
        compiled: whether networks in eval mode are compiled (`compiled.CompiledNetwork`).
    """

    batch_size: int
    workers: int
    device: Device
    resize: NotRequired[Resize]
    compiled: NotRequired[bool]


def make_inputs(preprocessing: Preprocessing, cut: Cut, target: torch.device, how: Execution) -> Inputs:
    """Return how batches are made; Pillow keeps other cuts than the centre, and the interpolation nearest."""
    if how.get("resize") == "device" and cut == "centre" and target.type in ACCELERATORS:
        # by name: its code does not count, since what comes out is the same
        kernel = import_module("clusterprobe.features.device_resize")
        if kernel.can_cut(preprocessing):
            inputs: Inputs = kernel.DeviceCentre(preprocessing)
            return inputs
    return CutInputs(preprocessing, cut)


def prepared(
    network: nn.Module, size: int, target: torch.device, how: Execution, note: Callable[[str], None]
) -> Network:
    """Return the network on its device, compiled for batches of `size` images if that is asked for.

    `note` is told where that cannot be. Networks in training mode run as they are, and so do those whose
    output is taken from inside by a hook (`LayerOutput`).
    """
    network.to(target)
    if target.type == "cuda":
        network.to(memory_format=torch.channels_last)
    fit = not network.training and not isinstance(network, LayerOutput)
    if how.get("compiled") and fit and target.type in ACCELERATORS:
        # by name: torch takes seconds to load its compiler
        module = import_module("clusterprobe.features.compiled")
        compiled: Network = module.CompiledNetwork(network, size, note)
        return compiled
    return network
