from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.kernels.rotations import rotate
from clusterprobe.objectives.kernels.target_matching import match
from clusterprobe.objectives.nat import Nat, make
from clusterprobe.train.objective import Batch, Epoch, Setting

IMAGES = 8
ROTATING = {"train": [{"name": "gaussian-noise"}], "rotation": [{"name": "affine", "translate": 0.2}]}


def setting(seed: int = 0) -> Setting:
    return Setting(IMAGES, 4, 4, seed)


def pixels(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def turn(objective: Nat, epoch: int) -> Nat:
    objective.before_epoch(Epoch(epoch, torch.Generator().manual_seed(0), lambda name: iter(())))
    return objective.train()


def names(objective: Nat) -> list[str]:
    indices = torch.arange(4)
    views = objective.views(indices, torch.Generator())
    assert all(view.indices is indices for view in views)
    return [view.augmentation for view in views]


def squared(objective: Nat, rows: torch.Tensor, outputs: torch.Tensor) -> torch.Tensor:
    return (F.normalize(outputs, dim=1) - objective.points[objective.owned[rows]]).square().sum(dim=1)


def test_every_image_owns_a_point_of_its_own(small_networks):
    objective = make(small_networks(), {}, setting())
    assert objective.points.shape == (IMAGES, 3)
    assert sorted(objective.owned.tolist()) == list(range(IMAGES))
    again, other = (make(small_networks(), {}, setting(seed)) for seed in (0, 1))
    assert torch.equal(again.points, objective.points)
    assert torch.equal(again.owned, objective.owned)
    assert not torch.equal(other.points, objective.points)
    assert {"points", "owned"} <= objective.state_dict().keys()


@pytest.mark.parametrize("views", [1, 3])
def test_the_loss_is_the_mean_squared_distance_of_all_views_to_the_target(small_networks, views):
    objective = make(small_networks(), {"views": views}, setting())
    assert names(objective) == ["plain", *["train"] * views]
    rows = torch.tensor([5, 0, 2, 7])
    looks = [pixels(seed=seed) for seed in range(views + 1)]
    loss = objective.train().loss(Batch(0, 0, rows, tuple(looks)))
    reference = small_networks()
    outputs = reference.heads["0"](reference.body(torch.cat(looks[1:])))  # one batch for the statistics
    expected = squared(objective, rows.repeat(views), outputs).mean()
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.logged["squared_distance"].item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss.optimiser == ""


def test_the_mean_over_dimensions_is_that_of_the_reference_code(small_networks):
    batch = Batch(0, 0, torch.arange(4), (pixels(), pixels(seed=1)))
    whole, mean = (
        make(small_networks(), {"loss": loss}, setting()).train().loss(batch).value.item()
        for loss in ("squared", "mean")
    )
    assert whole == pytest.approx(3 * mean)


@pytest.mark.parametrize("distance", ["squared", "plain"])
def test_a_batch_swaps_its_targets_by_what_the_network_says_of_plain_images_in_evaluation_mode(
    small_networks, distance
):
    objective = make(small_networks(), {"distance": distance}, setting()).train()
    before, rows, plain = objective.owned.clone(), torch.tensor([5, 0, 2, 7]), pixels()
    with torch.no_grad():
        reference = small_networks()
        outputs = F.normalize(reference.heads["0"](reference.body.eval()(plain)), dim=1)
    expected = before.clone()
    expected[rows] = before[rows][match(outputs, objective.points[before[rows]], distance)]
    loss = objective.loss(Batch(0, 0, rows, (plain, pixels(seed=1))))
    assert torch.equal(objective.owned, expected)
    assert loss.logged["swapped"].item() == pytest.approx((expected != before).float()[rows].mean().item())
    assert objective.body.training


def test_points_are_conserved_by_training(training, small_networks):
    before = make(small_networks(), {}, Setting(21, 5, 3, 1))
    training("nat", {})
    after = training.saved()
    assert torch.equal(after["points"], before.points)
    assert sorted(after["owned"].tolist()) == list(range(21))
    assert not torch.equal(after["owned"], before.owned)


def test_tasks_alternate_pass_by_pass_and_rotations_come_first(small_networks):
    objective = make(small_networks(), {"rotation": "epochs"}, setting())
    assert names(turn(objective, 0)) == ["rotation"] * 4
    assert names(turn(objective, 1)) == ["plain", "train"]
    assert names(turn(objective, 2)) == ["rotation"] * 4
    shared = make(small_networks(), {"rotation": "epochs", "rotation_crops": "shared"}, setting())
    assert names(turn(shared, 0)) == ["rotation"]


def test_tasks_alternate_step_by_step(small_networks):
    objective = turn(make(small_networks(), {"rotation": "steps", "views": 2}, setting()), 0)
    assert names(objective) == ["plain", "train", "train", *["rotation"] * 4]
    looks = tuple(pixels(seed=seed) for seed in range(7))
    losses = [objective.loss(Batch(0, step, torch.arange(4), looks)) for step in range(3)]
    assert ["rotation_loss" in loss.logged for loss in losses] == [True, False, True]
    assert ["swapped" in loss.logged for loss in losses] == [False, True, False]


@pytest.mark.parametrize("crops", ["own", "shared"])
def test_the_rotation_loss_is_the_cross_entropy_of_the_quarter_turns(small_networks, crops):
    objective = turn(make(small_networks(), {"rotation": "epochs", "rotation_crops": crops}, setting()), 0)
    looks = [pixels(seed=seed if crops == "own" else 0) for seed in range(4)]
    turned = torch.cat([torch.rot90(look, number, (2, 3)) for number, look in enumerate(looks)])
    given = tuple(looks) if crops == "own" else (looks[0],)
    loss = objective.loss(Batch(0, 0, torch.arange(4), given))
    with torch.no_grad():
        logits = objective.rotation_head(small_networks().body(turned))
    expected = F.cross_entropy(logits, torch.arange(4).repeat_interleave(4))
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)
    if crops == "shared":
        assert torch.equal(turned, rotate(looks[0])[0])


def test_rotations_leave_the_targets_alone_and_no_head_behind(training, small_networks):
    options = {"rotation": "epochs"}
    trained = training("nat", options, epochs=1, augmentation=ROTATING)
    drawn = make(small_networks(), {}, Setting(21, 5, 3, 1))
    assert torch.equal(training.saved()["owned"], drawn.owned)
    assert list(trained.heads) == ["0"]
    (line,) = trained.log
    assert json.loads(line).keys() >= {"rotation_loss", "rotation_accuracy"}
    assert "squared_distance" not in json.loads(line)


SGD = {"name": "sgd", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.1}


@pytest.mark.parametrize(
    ("options", "moves"),
    [
        ({}, False),
        ({"idle_head": "coasting"}, True),
        ({"optimisers": 2}, False),
    ],
)
def test_the_idle_head_is_frozen_or_coasts(training, options, moves):
    """Two passes end with the targets' own: what the rotation head does in it is what an idle head does."""

    def rotation_head(epochs: int) -> torch.Tensor:
        training.folder = training.folder / str(epochs)
        training(
            "nat", {"rotation": "epochs", **options}, epochs=epochs, augmentation=ROTATING, optimiser=SGD
        )
        return training.saved()["rotation_head.0.weight"]

    first, second = rotation_head(1), rotation_head(2)
    assert torch.equal(first, second) != moves
    if moves:
        assert second.norm() < first.norm()  # it decays


def test_two_optimisers_keep_their_memories_apart(training):
    def body(optimisers: int, momentum: float) -> torch.Tensor:
        training.folder = training.folder / "next"
        options = {"rotation": "steps", "optimisers": optimisers}
        sgd = SGD | {"momentum": momentum}
        return training("nat", options, optimiser=sgd, augmentation=ROTATING).body.network[0].weight

    assert not torch.equal(body(1, 0.9), body(2, 0.9))
    assert torch.equal(body(1, 0.0), body(2, 0.0))  # without a memory there is nothing to keep apart


def test_means_of_a_log_are_over_the_steps_of_their_task(training):
    options = {"rotation": "steps", "rotation_crops": "shared"}
    still = {"name": "sgd", "learning_rate": 1e-12}
    log = json.loads(training("nat", options, augmentation=ROTATING, optimiser=still).log[0])
    assert 0.8 < log["rotation_loss"] < 2.5  # that of a guess is log 4
    assert 1.0 < log["squared_distance"] < 3.0  # that of a guess is 2
    assert min(log["rotation_loss"], log["squared_distance"]) < log["loss"]
    assert log["loss"] < max(log["rotation_loss"], log["squared_distance"])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rotation": "epochs"},
        {"rotation": "steps", "optimisers": 2, "views": 2},
        {"rotation": "epochs", "idle_head": "coasting", "rotation_crops": "shared"},
    ],
    ids=lambda options: " ".join(map(str, options.values())) or "default",
)
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("nat", options, stop_at, augmentation=ROTATING, optimiser=SGD)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distance": "cosine"}, "distance must be one of squared, plain, not 'cosine'"),
        ({"loss": "plain"}, "loss must be one of squared, mean"),
        ({"rotation": "always"}, "rotation must be one of never, epochs, steps"),
        ({"views": 0}, "views must be at least 1"),
        ({"optimisers": 3}, "optimisers must be one of 1, 2"),
        ({"optimisers": 2}, "need the rotation task"),
        ({"idle_head": "coasting"}, "need the rotation task"),
        ({"rotation": "steps", "optimisers": 2, "idle_head": "coasting"}, "idle head is frozen"),
        ({"view": 2}, "did you mean 'views'"),
    ],
)
def test_mistakes_in_options_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(), options, setting())


@pytest.mark.parametrize("heads", [0, 2])
def test_one_head_is_needed(small_networks, heads):
    with pytest.raises(UserError, match=f"needs one head, not {heads}"):
        make(small_networks(heads=heads), {}, setting())


def test_rotations_need_an_augmentation_of_their_own(training):
    with pytest.raises(UserError, match="no augmentation 'rotation'"):
        training("nat", {"rotation": "epochs"})


def test_a_network_that_has_diverged_is_a_user_error(training, small_networks):
    diverging = {"name": "sgd", "learning_rate": 1e30}
    with pytest.raises(UserError, match="not finite; lower the learning rate"):
        training("nat", {}, networks=small_networks(), optimiser=diverging)
