from __future__ import annotations

import pytest
import torch
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.train.optimisers import Optimiser
from clusterprobe.train.options import read_options


def decay_by_dimensions(optimiser: torch.optim.Optimizer) -> dict[int, float]:
    return {p.ndim: group["weight_decay"] for group in optimiser.param_groups for p in group["params"]}


@pytest.mark.parametrize(("decay", "bias"), [("all", 0.1), ("weights", 0.0)])
def test_weight_decay_reaches_what_it_should(decay, bias):
    made = Optimiser("sgd", 0.1, weight_decay=0.1, decay=decay).make(list(nn.Linear(2, 2).parameters()))
    assert decay_by_dimensions(made) == {2: 0.1, 1: bias}


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", torch.optim.SGD), ("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_names(name, kind):
    made = Optimiser(name, 0.3, momentum=0.8, nesterov=True, betas=[0.5, 0.6]).make(
        [nn.Parameter(torch.ones(1))]
    )
    assert type(made) is kind
    constants = made.param_groups[0]
    assert constants["lr"] == 0.3
    assert (constants["momentum"], constants["nesterov"]) == (0.8, True) if name == "sgd" else True
    assert constants.get("betas", (0.5, 0.6)) == (0.5, 0.6)


def test_mistakes_are_user_errors():
    with pytest.raises(UserError, match="did you mean 'adam'"):
        read_options(Optimiser, {"name": "adamv", "learning_rate": 1.0}, "optimiser")
    with pytest.raises(UserError, match="learning_rate"):
        read_options(Optimiser, {"name": "sgd"}, "optimiser")
    with pytest.raises(UserError, match="positive"):
        read_options(Optimiser, {"name": "sgd", "learning_rate": 0}, "optimiser")
