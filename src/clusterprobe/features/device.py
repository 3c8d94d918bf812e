"""Which device torch works on."""

from __future__ import annotations

import torch

from clusterprobe.config.errors import UserError


def choose_device(name: str) -> torch.device:
    """Return the device for auto, cpu or cuda; raises UserError for cuda where torch sees none."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device cuda was asked for, but torch sees no GPU: set device to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
