from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.rotations import rotate
from clusterprobe.objectives.rotation import make
from clusterprobe.train.objective import Batch, Setting

SETTING = Setting(8, 4, 5, 0)


def pixels(count: int = 3) -> torch.Tensor:
    return torch.rand(count, 2, 8, 8, generator=torch.Generator().manual_seed(0))


def test_the_four_quarter_turns_of_numpy_one_after_the_other():
    images = pixels()
    rotated, turns = rotate(images)
    assert turns.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    for image, turned, quarter in zip(images.repeat(4, 1, 1, 1), rotated, turns.tolist(), strict=True):
        expected = np.rot90(image.numpy(), quarter, axes=(1, 2))
        np.testing.assert_array_equal(turned.numpy(), expected)


def test_turning_on_by_what_is_missing_gives_the_image_again():
    images = pixels()
    rotated, turns = rotate(images)
    for number in range(4):
        again, by = rotate(rotated[turns == number])
        torch.testing.assert_close(again[by == (4 - number) % 4], images)


def test_the_layout_in_memory_stays():
    images = pixels().contiguous(memory_format=torch.channels_last)
    assert rotate(images)[0].is_contiguous(memory_format=torch.channels_last)


def test_images_must_be_square():
    with pytest.raises(ValueError, match="must be square"):
        rotate(torch.rand(2, 1, 8, 6))


def test_the_loss_is_the_cross_entropy_over_all_rotations(small_networks):
    networks = small_networks(clusters=4)
    objective = make(networks, {}, SETTING).eval()
    images = pixels(4)[:, :1]
    loss = objective.loss(Batch(0, 0, torch.arange(4), (images,)))
    each = [
        F.cross_entropy(
            networks.heads["0"](networks.body(torch.rot90(images, turns, dims=(2, 3)))),
            torch.full((4,), turns),
        )
        for turns in range(4)
    ]
    assert loss.value.item() == pytest.approx(torch.stack(each).mean().item(), rel=1e-5)
    assert 0 <= loss.logged["rotation_accuracy"].item() <= 1
    assert not loss.logged["rotation_accuracy"].requires_grad


def test_images_with_an_up_are_learnt(small_networks, training):
    training.images._values[:] //= 4
    training.images._values[:, :, :3] += 150
    trained = training(
        "rotation",
        {},
        networks=small_networks(clusters=4),
        epochs=60,
        augmentation=[{"name": "gaussian-noise", "sigma": 0.02}],
    )
    first, last = json.loads(trained.log[0]), json.loads(trained.log[-1])
    assert last["rotation_accuracy"] > max(0.9, first["rotation_accuracy"])


@pytest.mark.parametrize("stop_at", [(0, 2), (2, 1)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, stop_at):
    resumed_equals_undisturbed("rotation", {}, stop_at, clusters=4)


def test_mistakes_are_user_errors(small_networks):
    with pytest.raises(UserError, match="a head with 4 outputs"):
        make(small_networks(clusters=3), {}, SETTING)
    with pytest.raises(UserError, match="takes no options"):
        make(small_networks(clusters=4), {"weight": 1}, SETTING)
