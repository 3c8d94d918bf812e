from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.rotations import rotate
from clusterprobe.objectives.relabelled import make
from clusterprobe.train.objective import Batch, Epoch, Setting, needed_by

LABELS = torch.tensor([[0, 2], [1, 0], [2, 1], [0, 0], [1, 2]])
SETTING = Setting(5, 2, 3, 0, {"pseudo_labels": LABELS})


def pixels(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(0))


def test_it_sees_labels_that_were_found_and_no_others():
    assert needed_by(make) == {"pseudo_labels"}


@pytest.mark.parametrize("sum_heads", [True, False])
def test_the_loss_is_the_cross_entropy_of_each_head_with_its_column(small_networks, sum_heads):
    networks = small_networks(heads=2)
    objective = make(networks, {"sum_heads": sum_heads}, SETTING).eval()
    rows = torch.tensor([4, 0, 2])
    loss = objective.loss(Batch(0, 0, rows, (pixels(),)))
    features = networks.body(pixels())
    each = torch.stack(
        [F.cross_entropy(networks.heads[str(head)](features), LABELS[rows, head]) for head in range(2)]
    )
    expected = each.sum() if sum_heads else each.mean()
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert "rotation_accuracy" not in loss.logged


def test_rotations_are_added_and_labels_are_learnt_on_upright_images(small_networks):
    networks = small_networks(heads=2)
    objective = make(networks, {"rotation": 0.5}, SETTING).eval()
    rows = torch.tensor([4, 0, 2])
    loss = objective.loss(Batch(0, 0, rows, (pixels(),)))
    rotated, turns = rotate(pixels())
    expected = 0.5 * F.cross_entropy(objective.turns(networks.body(rotated)), turns)
    for head in range(2):
        expected += F.cross_entropy(networks.heads[str(head)](networks.body(pixels())), LABELS[rows, head])
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-6)
    assert 0 <= loss.logged["rotation_accuracy"] <= 1
    assert list(objective.networks().heads) == ["0", "1"]


def test_the_head_with_the_lowest_loss_of_the_epoch_is_chosen(small_networks):
    objective = make(small_networks(heads=2), {}, SETTING)
    assert objective.chosen_head() is None
    for losses, chosen in (([1.0, 0.5], "1"), ([0.2, 0.5], "0")):
        objective.losses += torch.tensor(losses)
        objective.after_epoch(Epoch(0, torch.Generator(), lambda name: iter(())))
        assert objective.chosen_head() == chosen


def test_labels_are_learnt(small_networks, training):
    training.arrays["pseudo_labels"] = np.arange(21)[:, None] % 3
    training.images._values[:] //= 8
    for kind in range(3):
        training.images._values[kind::3, :, 2 * kind : 2 * kind + 3] += 200
    trained = training("relabelled", {"rotation": 1.0}, epochs=30, augmentation=[], seed=2)
    assert json.loads(trained.log[-1])["accuracy"] > 0.95
    assert trained.chosen == "0"


@pytest.mark.parametrize("stop_at", [(0, 2), (2, 1)])
@pytest.mark.parametrize("options", [{}, {"rotation": 1.0, "sum_heads": False}], ids=["plain", "rotation"])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("relabelled", options, stop_at, heads=2)


@pytest.mark.parametrize(
    ("heads", "labels", "options", "message"),
    [
        (2, LABELS, {"rotate": 1}, "unknown key 'rotate'"),
        (2, LABELS, {"rotation": -1}, "must not be negative"),
        (1, LABELS, {}, "2 heads gave the labels"),
        (1, LABELS[:, 0], {}, "1 heads gave the labels"),
        (2, LABELS + 1, {}, "go up to 3, but a head has 3 outputs"),
        (2, LABELS[:3], {}, "has 3 rows for 5 training images"),
    ],
)
def test_mistakes_are_user_errors(small_networks, heads, labels, options, message):
    setting = Setting(5, 2, 3, 0, {"pseudo_labels": labels})
    with pytest.raises(UserError, match=message):
        make(small_networks(heads=heads), options, setting)
