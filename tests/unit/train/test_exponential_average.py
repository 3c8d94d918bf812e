from __future__ import annotations

import torch
from torch import nn

from clusterprobe.train.exponential_average import ExponentialAverage


def test_average_is_the_closed_form_and_leaves_buffers_and_frozen_parameters_alone():
    module = nn.BatchNorm1d(1)
    module.bias.requires_grad = False
    average = ExponentialAverage(module, decay=0.9)
    with torch.no_grad():
        module.weight.fill_(2.0)
        module.bias.fill_(7.0)
        module.running_mean.fill_(5.0)
    average.update(module)
    average.update(module)
    average.copy_to(module)
    assert module.weight.item() == torch.tensor(2 - 0.9**2).item()
    assert module.bias.item() == 7.0
    assert module.running_mean.item() == 5.0
