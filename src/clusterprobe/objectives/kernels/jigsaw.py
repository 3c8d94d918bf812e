"""An image as its shuffled patches (PIRL, arXiv 1912.01991, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

GRID = 3
_KEPT = 0.75  # share of the side of a cell that a patch keeps: 64 of 85 pixels in PIRL


def draw_patches(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Draw for each of `count` images which cell each patch comes from, and where in it: int64 [count, 9, 3].

    Columns: number of the cell, row and column of the patch's corner in it.
    """
    room = side // GRID - patch_side(side)
    order = torch.rand(count, GRID * GRID, generator=generator).argsort(dim=1)
    corners = torch.randint(room + 1, (count, GRID * GRID, 2), generator=generator)
    return torch.cat([order[:, :, None], corners], dim=2)


def patch_side(side: int) -> int:
    """Side of the patches of images of a side."""
    return max(1, int(side // GRID * _KEPT))


def cut(images: Tensor, drawn: Tensor) -> Tensor:
    """Cut images [b, C, S, S] into the patches `drawn` [b, 9, 3]: [b * 9, C, s, s], image by image."""
    side = images.shape[-1]
    cell, pixels = side // GRID, torch.arange(patch_side(side), device=images.device)
    drawn = drawn.to(images.device)
    order, corners = drawn[..., :1], drawn[..., 1:]
    tops = torch.div(order, GRID, rounding_mode="floor") * cell + corners[..., :1]
    lefts = order % GRID * cell + corners[..., 1:]
    rows, columns = tops + pixels, lefts + pixels
    which = torch.arange(len(images), device=images.device)[:, None, None, None]
    patches = images.permute(0, 2, 3, 1)[which, rows[..., :, None], columns[..., None, :]]
    return patches.flatten(0, 1).permute(0, 3, 1, 2)


class JigsawBranch(nn.Module):
    """Embeds an image by its patches in random order: one linear layer for each, one for all together.

    Args:
        width: of the features of the body.
        dimensions: of the embedding.
    """

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        self.patch = nn.Linear(width, dimensions)
        self.joint = nn.Linear(GRID * GRID * dimensions, dimensions)

    def forward(self, body: nn.Module, images: Tensor, drawn: Tensor) -> Tensor:
        """Embeddings [b, dimensions] of images [b, C, S, S] cut as `drawn` says, through a body."""
        patches = self.patch(body(cut(images, drawn))).view(len(images), -1)
        joined: Tensor = self.joint(patches)
        return joined
