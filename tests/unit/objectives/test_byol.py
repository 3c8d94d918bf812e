from __future__ import annotations

import json
import math

import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.byol import make, rising_momentum
from clusterprobe.train.objective import Batch, Epoch, Setting

SETTING = Setting(21, 4, 4, 0)
ROWS = torch.tensor([5, 0, 2, 7])


def batch() -> Batch:
    views = tuple(torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    return Batch(0, 0, ROWS, views)


def test_each_view_predicts_what_the_target_network_makes_of_the_other(small_networks):
    torch.manual_seed(0)
    objective = make(small_networks(), {"hidden": 6}, SETTING).train()
    networks, views = small_networks(), batch().views
    with torch.no_grad():
        projected = networks.heads["0"](networks.body(torch.cat(views)))
        predicted = objective.predictor(projected)
    predictions, targets = F.normalize(predicted, dim=1).chunk(2), F.normalize(projected, dim=1).chunk(2)
    distances = [
        float((one - other).double().square().sum())
        for prediction, target in zip(predictions, reversed(targets), strict=True)
        for one, other in zip(prediction, target, strict=True)
    ]
    loss = objective.loss(batch())
    assert loss.value.item() == pytest.approx(sum(distances) / 4, rel=1e-4)
    loss.value.backward()
    assert all(parameter.grad is None for parameter in objective.target.parameters())


def test_the_momentum_rises_to_one_along_half_a_cosine():
    assert rising_momentum(0.99, 0, 100) == pytest.approx(0.99)
    assert rising_momentum(0.99, 50, 100) == pytest.approx(0.995)
    assert rising_momentum(0.99, 25, 100) == pytest.approx(1 - 0.01 * (math.cos(math.pi / 4) + 1) / 2)
    assert rising_momentum(0.99, 100, 100) == 1


@pytest.mark.parametrize("every", [1, 3])
def test_the_target_follows_in_its_turn(small_networks, every):
    objective = make(small_networks(), {"hidden": 6, "momentum": 0.5, "update_every": every}, SETTING)
    start = objective.target.network[1][0].weight.clone()
    objective.before_step(Epoch(0, torch.Generator(), lambda name: iter(()), taken=0, total=10))
    with torch.no_grad():
        objective.heads["0"][0].weight += 1
    moved = []
    for _ in range(3):
        objective.after_step()
        moved.append(not torch.equal(objective.target.network[1][0].weight, start))
    assert moved == ([True] * 3 if every == 1 else [False, False, True])
    shift = 1 - 0.5 ** (3 if every == 1 else 1)
    torch.testing.assert_close(objective.target.network[1][0].weight, start + shift)


def test_training_lowers_the_loss_and_leaves_the_projector_behind(training):
    trained = training("byol", {"hidden": 8, "momentum": 0.9}, epochs=20, augmentation=[])
    assert json.loads(trained.log[-1])["loss"] < json.loads(trained.log[0])["loss"]
    assert list(trained.heads) == ["0"]


@pytest.mark.parametrize("options", [{"hidden": 6}, {"hidden": 6, "update_every": 3}], ids=str)
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("byol", options, stop_at)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"momentum": 1.5}, r"momentum must lie in \[0, 1\]"),
        ({"update_every": 0}, "update_every must be positive"),
    ],
)
def test_mistakes_in_options_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=f"objective byol: {message}"):
        make(small_networks(), options, SETTING)
