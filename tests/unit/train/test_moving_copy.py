from __future__ import annotations

import pytest
import torch
from torch import nn

from clusterprobe.train.moving_copy import MovingCopy


def network(value: float) -> nn.Sequential:
    """A layer and a normalisation whose parameters and running mean all have one value."""
    made = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.fill_(value)
        made[1].running_mean.fill_(value)
    return made


def test_parameters_move_a_share_of_the_way_and_buffers_are_copied():
    copy = MovingCopy(network(1.0), decay=0.999)
    copy.follow(network(2.0))
    assert all(p.unique().item() == pytest.approx(1.001) for p in copy.network.parameters())
    assert copy.network[1].running_mean.tolist() == [2.0, 2.0]


def test_buffers_may_stay():
    copy = MovingCopy(network(1.0), decay=0.5)
    copy.follow(network(2.0), buffers=False)
    assert copy.network[0].weight.unique().item() == 1.5
    assert copy.network[1].running_mean.tolist() == [1.0, 1.0]


def test_without_decay_it_equals_the_network_to_the_bit():
    copy, other = MovingCopy(network(1.0), decay=0.0), network(1.0)
    with torch.no_grad():
        other[0].weight.copy_(torch.rand(2, 2))
    copy.follow(other)
    assert torch.equal(copy.network[0].weight, other[0].weight)


def test_it_is_a_network_of_its_own_in_evaluation_mode_that_does_not_train():
    original = network(1.0)
    copy = MovingCopy(original, decay=0.9).train()
    original[0].weight.data += 1
    assert copy.network[0].weight.unique().item() == 1.0
    assert not copy.network[1].training
    assert not any(parameter.requires_grad for parameter in copy.parameters())
    assert not copy(torch.rand(3, 2, requires_grad=True)).requires_grad
    before = copy.network[1].running_mean.clone()
    copy(torch.rand(3, 2))
    assert torch.equal(copy.network[1].running_mean, before)
