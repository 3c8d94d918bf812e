from __future__ import annotations

import torch
from torch import nn

from clusterprobe.train.momentum_encoder import MomentumEncoder


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def test_it_follows_slowly_and_keeps_statistics_of_its_own():
    first, later = network(0), network(1)
    later[1].running_mean += 5
    encoder = MomentumEncoder(first, 0.75)
    encoder.follow(later)
    expected = 0.75 * first[0].weight + 0.25 * later[0].weight
    torch.testing.assert_close(encoder.network[0].weight, expected)
    assert not encoder.network[1].running_mean.any()


def test_it_normalises_by_the_batch_while_it_trains_and_never_has_gradients():
    encoder = MomentumEncoder(network(0), 0.9).train()
    batch = 7 + torch.randn(20, 3)
    outputs = encoder(batch)
    torch.testing.assert_close(outputs.mean(dim=0), torch.zeros(4), atol=1e-5, rtol=0)
    assert encoder.network[1].running_mean.any()
    assert not outputs.requires_grad
    assert not any(parameter.requires_grad for parameter in encoder.parameters())
    assert encoder.eval()(batch).mean(dim=0).abs().max() > 0.1
