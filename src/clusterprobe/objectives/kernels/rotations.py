"""Quarter turns of images as a task without labels (Gidaris et al., arXiv 1803.07728, section 2)."""

from __future__ import annotations

import torch
from torch import Tensor

ROTATIONS = 4


def rotate(images: Tensor) -> tuple[Tensor, Tensor]:
    """Turn square images [B, C, S, S] by 0, 90, 180 and 270 degrees, counter-clockwise.

    Returns:
        rotated [4 B, C, S, S]: first all images as they are, then all of them by 90 degrees, and so on; and
        the number of quarter turns of each, int64 [4 B].

    Raises:
        ValueError: the images are not square.
    """
    if images.shape[-1] != images.shape[-2]:
        raise ValueError(f"images must be square to be rotated, not {tuple(images.shape[-2:])}")
    rotated = torch.cat([torch.rot90(images, turns, dims=(-2, -1)) for turns in range(ROTATIONS)])
    if images.is_contiguous(memory_format=torch.channels_last):
        rotated = rotated.contiguous(memory_format=torch.channels_last)
    return rotated, torch.arange(ROTATIONS, device=images.device).repeat_interleave(len(images))
