from __future__ import annotations

import pytest
import torch
from torch import nn

from clusterprobe.objectives.kernels.grouped import apart, ordered_groups, shuffled_groups


def test_groups_are_contiguous_or_drawn_and_of_nearly_equal_size():
    assert ordered_groups(7, 3).tolist() == [0, 0, 0, 1, 1, 2, 2]
    drawn = shuffled_groups(7, 3, torch.Generator().manual_seed(0))
    assert sorted(drawn.tolist()) == ordered_groups(7, 3).tolist()
    assert drawn.tolist() != ordered_groups(7, 3).tolist()


@pytest.mark.parametrize("groups", [1, 2, 3])
def test_every_group_is_normalised_by_its_own_statistics_and_stays_in_place(groups):
    images = torch.randn(7, 4, generator=torch.Generator().manual_seed(0))
    own = shuffled_groups(7, groups, torch.Generator().manual_seed(1))
    found = apart(nn.BatchNorm1d(4, affine=False), images, own, groups)
    for group in range(groups):
        part = images[own == group]
        expected = (part - part.mean(dim=0)) / (part.var(dim=0, unbiased=False) + 1e-5).sqrt()
        torch.testing.assert_close(found[own == group], expected)


def test_a_process_without_an_image_of_a_group_gets_through():
    own = torch.tensor([0, 0, 2, 2])
    images = torch.arange(8.0).view(4, 2).requires_grad_()
    found = apart(nn.Linear(2, 3), images, own, 3)
    assert found.shape == (4, 3)
    found.sum().backward()
    assert images.grad is not None
