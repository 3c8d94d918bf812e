from __future__ import annotations

import pytest
import torch
from torch import nn

from clusterprobe.objectives.kernels.jigsaw import JigsawBranch, cut, draw_patches, patch_side


@pytest.mark.parametrize("side", [9, 24, 255])
def test_patches_are_pieces_of_their_cells(side):
    drawn = draw_patches(3, side, torch.Generator().manual_seed(0))
    images = torch.arange(3 * 2 * side * side, dtype=torch.float32).view(3, 2, side, side)
    patches = cut(images, drawn).view(3, 9, 2, patch_side(side), patch_side(side))
    cell, size = side // 3, patch_side(side)
    for image in range(3):
        assert sorted(drawn[image, :, 0].tolist()) == list(range(9))
        for place, (number, top, left) in enumerate(drawn[image].tolist()):
            assert 0 <= top <= cell - size
            assert 0 <= left <= cell - size
            row, column = number // 3 * cell + top, number % 3 * cell + left
            expected = images[image, :, row : row + size, column : column + size]
            assert torch.equal(patches[image, place], expected)


def test_a_patch_of_imagenet_is_as_large_as_in_the_paper():
    assert patch_side(255) in (63, 64)


def test_the_branch_embeds_all_patches_together():
    torch.manual_seed(0)
    body, branch = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), JigsawBranch(2, 5)
    images, drawn = torch.rand(4, 2, 12, 12), draw_patches(4, 12, torch.Generator().manual_seed(1))
    found = branch(body, images, drawn)
    means = cut(images, drawn).mean(dim=(2, 3)).view(4, 9, 2)
    expected = branch.joint(torch.cat([branch.patch(means[:, place]) for place in range(9)], dim=1))
    torch.testing.assert_close(found, expected)
