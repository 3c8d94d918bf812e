from __future__ import annotations

import json
import math

import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.jigsaw import draw_patches
from clusterprobe.objectives.moco import make
from clusterprobe.train.objective import Batch, Setting

SETTING = Setting(21, 4, 4, 0)
ROWS = torch.tensor([5, 0, 2, 7])
JIGSAW = {"train": [{"name": "gaussian-noise"}], "jigsaw": []}


def pixels(seed: int, side: int = 8) -> torch.Tensor:
    return torch.rand(4, 1, side, side, generator=torch.Generator().manual_seed(seed))


def batch(looks: int, step: int = 0) -> Batch:
    return Batch(0, step, ROWS, tuple(pixels(seed) for seed in range(looks + 1)))


def slow_loss(objective, queries: torch.Tensor, keys: torch.Tensor, temperature: float) -> float:
    losses = []
    for query, key in zip(queries.double(), keys.double(), strict=True):
        positive = math.exp(float(query @ key) / temperature)
        rest = sum(math.exp(float(query @ other) / temperature) for other in objective.queue.double())
        losses.append(-math.log(positive / (positive + rest)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("looks", [1, 2])
def test_queries_are_held_against_their_key_and_the_queue(small_networks, looks):
    options = {"queue": 6, "temperature": 0.3, "looks": looks}
    objective = make(small_networks(), options, SETTING).train()
    views = objective.views(ROWS, torch.Generator())
    assert [view.augmentation for view in views] == ["train"] * (looks + 1)
    networks = small_networks()
    given = batch(looks)
    with torch.no_grad():
        queries = networks.heads["0"](networks.body(torch.cat(given.views[:looks])))
        keys = networks.heads["0"](networks.body(given.views[looks]))  # the statistics of its own batch
    queries, keys = F.normalize(queries, dim=1).chunk(looks), F.normalize(keys, dim=1)
    expected = sum(slow_loss(objective, each, keys, 0.3) for each in queries) / looks
    assert objective.loss(given).value.item() == pytest.approx(expected, rel=1e-5)


def test_keys_join_the_queue_after_the_step_in_the_place_of_the_oldest(small_networks):
    objective = make(small_networks(), {"queue": 6}, SETTING).train()
    torch.testing.assert_close(objective.queue.norm(dim=1), torch.ones(6))
    before = objective.queue.clone()
    objective.loss(batch(1))
    assert torch.equal(objective.queue, before)
    first = objective._fresh.clone()
    objective.after_step()
    assert torch.equal(objective.queue, torch.cat([first, before[4:]]))
    objective.loss(batch(1, step=1))
    second = objective._fresh.clone()
    objective.after_step()
    assert torch.equal(objective.queue, torch.cat([second[2:], first[2:], second[:2]]))
    assert int(objective.oldest) == 2


def test_a_queue_smaller_than_a_batch_holds_its_last_keys(small_networks):
    objective = make(small_networks(), {"queue": 3}, SETTING).train()
    objective.loss(batch(1))
    fresh = objective._fresh.clone()
    objective.after_step()
    assert torch.equal(objective.queue, fresh[1:])


def test_the_key_encoder_follows_slowly_and_has_no_gradients(small_networks):
    objective = make(small_networks(), {"queue": 4, "momentum": 0.9}, SETTING).train()
    start = objective.keys.network[1][0].weight.clone()
    objective.loss(batch(1)).value.backward()
    assert all(parameter.grad is None for parameter in objective.keys.parameters())
    with torch.no_grad():
        objective.heads["0"][0].weight += 1
    objective.after_step()
    torch.testing.assert_close(objective.keys.network[1][0].weight, start + 0.1)


def test_in_groups_queries_and_keys_are_normalised_apart(small_networks):
    """With random groups of keys, the key of an image depends on images other than its query's."""
    objective = make(small_networks(), {"queue": 4, "norm_groups": 2, "temperature": 1.0}, SETTING).train()
    given = batch(1)
    with torch.no_grad():
        (features,) = objective.features(given)
        body = small_networks().body
        expected = torch.cat([body(given.views[0][:2]), body(given.views[0][2:])])
    torch.testing.assert_close(features, expected)
    keys = []
    for step in range(20):
        objective.loss(Batch(0, step, ROWS, given.views))
        keys.append(objective._fresh[0])
    assert len({tuple(key.tolist()) for key in keys}) == 3  # one for each partner of the first image


def test_a_jigsaw_branch_is_a_second_query(small_networks):
    objective = make(small_networks(), {"queue": 4, "jigsaw": 0.25}, SETTING).train()
    asked = [view.augmentation for view in objective.views(ROWS, torch.Generator())]
    assert asked == ["train", "train", "jigsaw"]
    views = (pixels(0), pixels(1), pixels(2, side=12))
    loss = objective.loss(Batch(0, 0, ROWS, views))
    parts = [loss.logged[name].item() for name in ("instance_loss", "jigsaw_loss")]
    assert loss.value.item() == pytest.approx(0.75 * parts[0] + 0.25 * parts[1], rel=1e-5)
    loss.value.backward()
    assert objective.patches.joint.weight.grad.abs().sum() > 0
    assert draw_patches(4, 12, torch.Generator()).shape == (4, 9, 3)


def test_only_body_and_head_are_left_behind(training):
    trained = training("moco", {"queue": 7, "jigsaw": 0.5}, epochs=1, augmentation=JIGSAW)
    assert list(trained.heads) == ["0"]


def test_training_lowers_the_loss(training):
    options = {"queue": 32, "temperature": 0.5, "momentum": 0.9}
    log = training("moco", options, epochs=20, augmentation=[]).log
    assert json.loads(log[-1])["loss"] < json.loads(log[4])["loss"] - 0.1


@pytest.mark.parametrize(
    "options",
    [{"queue": 12}, {"queue": 7, "looks": 2, "norm_groups": 2}, {"queue": 7, "jigsaw": 0.5}],
    ids=str,
)
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("moco", options, stop_at, augmentation=JIGSAW)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature must be positive"),
        ({"queue": 0}, "queue must be positive"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"jigsaw": 1.0}, r"jigsaw must lie in \[0, 1\)"),
        ({"looks": 0}, "looks must be 1 or 2"),
        ({"norm_groups": 3}, "3 norm_groups leave a batch of 4 less than two images each"),
    ],
)
def test_mistakes_in_options_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=f"objective moco: {message}"):
        make(small_networks(), options, SETTING)
