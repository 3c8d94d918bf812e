"""A network that has diverged ends a training with a message, before what it says is put to use."""

from __future__ import annotations

import torch
from torch import Tensor

from clusterprobe.config.errors import UserError


def check_finite(outputs: Tensor) -> None:
    """Raise UserError if outputs of the network, of any shape, are not finite; the loss says so by itself."""
    if not torch.isfinite(outputs).all():
        raise UserError("training: the outputs of the network are not finite; lower the learning rate")
