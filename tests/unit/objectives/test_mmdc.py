from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.heads import NearestMean, build_head
from clusterprobe.objectives.kernels.refinement import refined_clusters
from clusterprobe.objectives.mmdc import Mmdc, make
from clusterprobe.train.objective import Batch, Epoch, Networks, Setting

CLUSTERS = 3
ROTATING = {"train": [{"name": "gaussian-noise"}], "rotation": [{"name": "affine", "translate": 0.2}]}


def networks(clusters: int = CLUSTERS, embedding: int | None = None, seed: int = 3) -> Networks:
    torch.manual_seed(seed)
    body = build("small-convnet", {"channels": 1, "widths": (4, 6)})
    options = {"dimensions": clusters, "embedding": embedding}
    return Networks(body, {"0": build_head("nearest-mean", options, body.width)})


def pixels(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def epoch(number: int, images: torch.Tensor) -> Epoch:
    """Hooks of an epoch that show these images in two blocks."""
    rows = torch.arange(len(images)).split(5)
    return Epoch(
        number,
        torch.Generator().manual_seed(number),
        lambda name: ((block, images[block]) for block in rows),
    )


def names(objective: Mmdc) -> list[str]:
    return [view.augmentation for view in objective.views(torch.arange(4), torch.Generator())]


def test_targets_are_one_hot_and_evenly_shared_unless_told_otherwise():
    objective = make(networks(), {}, Setting(20, 5, 1, 0))
    assert torch.equal(objective.points, torch.eye(CLUSTERS))
    assert torch.bincount(objective.owned).sort().values.tolist() == [6, 7, 7]
    assert torch.equal(objective.clusters, objective.owned)
    uneven = make(networks(), {"sizes": "multinomial"}, Setting(2000, 5, 1, 0))
    counts = torch.bincount(uneven.owned)
    assert counts.max() - counts.min() > 1


def test_with_a_deviation_every_image_owns_a_point_near_its_mean():
    objective = make(networks(), {"sigma": 0.1}, Setting(20, 5, 1, 0))
    assert len(objective.points) == CLUSTERS + 20
    assert len(objective.owned.unique()) == 20
    owned = objective.points[objective.owned]
    assert torch.equal(owned.argmax(dim=1), objective.clusters)
    assert (owned != 0).all()


@settings(max_examples=15, deadline=None)
@given(
    images=st.integers(6, 25),
    sigma=st.sampled_from([0.0, 0.2]),
    means=st.sampled_from(["one-hot", "random"]),
    sizes=st.sampled_from(["balanced", "multinomial"]),
    distance=st.sampled_from(["squared", "plain"]),
    seed=st.integers(0, 5),
)
def test_the_multiset_of_targets_is_conserved_before_the_refinement(
    images, sigma, means, sizes, distance, seed
):
    options = {"sigma": sigma, "means": means, "sizes": sizes, "distance": distance}
    objective = make(networks(), options, Setting(images, 6, 1, seed))
    before = objective.owned.clone()
    objective.before_epoch(epoch(0, pixels(images)))
    for step in range(3):
        rows = torch.randperm(images, generator=torch.Generator().manual_seed(step))[:6]
        looks = (pixels(6, seed=step), pixels(6, seed=step + 10))
        objective.train().loss(Batch(0, step, rows, looks)).value.backward()
    assert torch.equal(before.sort().values, objective.owned.sort().values)


def test_the_highest_output_is_the_nearest_mean():
    for means, embedding in (("one-hot", None), ("random", 2), ("random", 7), ("one-hot", 5)):
        left = make(networks(4, embedding), {"means": means}, Setting(20, 5, 1, 0)).eval().networks()
        head = left.heads["0"]
        assert isinstance(head, NearestMean)
        features = torch.randn(50, 6)
        nearest = torch.cdist(head.embed(features), head.means).argmin(dim=1)
        assert torch.equal(head(features).argmax(dim=1), nearest)
        assert head.means.shape == (4, embedding or 4)


def test_means_follow_from_the_seed_and_stay_with_the_network():
    first, again, other = (
        make(networks(5, 3), {"means": "random"}, Setting(20, 5, 1, seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(first.heads["0"].means, again.heads["0"].means)
    assert not torch.equal(first.heads["0"].means, other.heads["0"].means)
    rebuilt = build_head("nearest-mean", {"dimensions": 5, "embedding": 3}, 6)
    rebuilt.load_state_dict(first.networks().heads["0"].state_dict())
    assert torch.equal(rebuilt.means, first.points[:5])


def test_the_refinement_renews_the_targets_under_their_old_names():
    images = pixels(40)
    objective = make(networks(), {"refine_from": 2, "sigma": 0.1}, Setting(40, 5, 4, 0))
    for number in (0, 1):
        before = objective.owned.clone()
        objective.before_epoch(epoch(number, images))
        assert torch.equal(objective.owned, before)
        assert names(objective) == ["plain", "train"]
    expected_seed = int(torch.randint(2**31, (), generator=torch.Generator().manual_seed(2)))
    with torch.no_grad():
        outputs = torch.cat([objective.eval().embed(images[rows]) for rows in torch.arange(40).split(5)])
    expected = refined_clusters(outputs.numpy(), objective.clusters.numpy(), CLUSTERS, expected_seed)
    objective.train().before_epoch(epoch(2, images))
    assert objective.owned.tolist() == expected.tolist()  # the means themselves
    assert names(objective) == ["train"]
    loss = objective.train().loss(Batch(2, 0, torch.arange(4), (pixels(4),)))
    assert "swapped" not in loss.logged
    assert objective.owned.tolist() == expected.tolist()


def test_with_rotations_the_refinement_comes_once_before_both_passes():
    images = pixels(20)
    objective = make(networks(), {"refine_from": 3, "rotation": "epochs"}, Setting(20, 5, 6, 0))
    refined = []
    for number in range(6):
        before = bool(objective.refining)
        objective.owned.copy_(torch.arange(20) % CLUSTERS)
        objective.before_epoch(epoch(number, images))
        refined.append(not torch.equal(objective.owned, torch.arange(20) % CLUSTERS))
        assert bool(objective.rotating) == (number % 2 == 0)
        assert bool(objective.refining) >= before
    assert refined == [False, False, False, False, True, False]


def easy_images(training) -> np.ndarray:
    """Three kinds of images that anyone can tell apart; returns which is which."""
    random = np.random.default_rng(0)
    kinds = random.integers(0, 3, 120)
    images = random.integers(0, 60, (120, 1, 8, 8))
    images[kinds == 1, :, :, :4] += 150
    images[kinds == 2, :, :4] += 150
    training.images = type(training.images)(images.astype(np.uint8))
    return kinds


@pytest.mark.parametrize(
    "options",
    [{"sizes": "multinomial"}, pytest.param({"refine_from": 10, "views": 2}, marks=pytest.mark.slow)],
)
def test_it_finds_clusters_and_their_images(training, options):
    kinds = easy_images(training)
    adam = {"name": "adam", "learning_rate": 0.02}
    trained = training("mmdc", options, networks=networks(), epochs=20, batch_size=20, optimiser=adam)
    assert trained.chosen == "0"
    assert list(trained.heads) == ["0"]
    with torch.no_grad():
        images = (training.images.fetch(torch.arange(120)).float() / 255 - 0.5) / 0.25
        clusters = trained.heads["0"](trained.body(images)).argmax(dim=1).numpy()
    counts = np.zeros((3, 3))
    np.add.at(counts, (clusters, kinds), 1)
    assert counts.max(axis=1).sum() / 120 > 0.9
    assert sorted(counts.argmax(axis=1)) == [0, 1, 2]


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"refine_from": 0}, marks=pytest.mark.slow),
        pytest.param({"rotation": "epochs", "refine_from": 2, "optimisers": 2}, marks=pytest.mark.slow),
        {"sigma": 0.3, "means": "random", "rotation": "steps", "sizes": "multinomial", "refine_from": 2},
    ],
    ids=["default", "k-means from the start", "epochs", "steps"],
)
@pytest.mark.parametrize("stop_at", [(0, 0), (2, 1), (3, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed = resumed_equals_undisturbed(
        "mmdc", options, stop_at, kind="nearest-mean", epochs=4, augmentation=ROTATING
    )
    assert json.loads(resumed.log[-1])["largest_target_share"] > 0


def plane(**options) -> Mmdc:
    """A network that is the identity on images of two pixels, whose four targets are two of each axis."""
    body = build("pixels", {"size": 1, "channels": 2})
    head = build_head("nearest-mean", {"dimensions": 2}, 2)
    head.load_state_dict({"0.weight": torch.eye(2), "0.bias": torch.zeros(2), "means": torch.eye(2)})
    objective = make(Networks(body, {"0": head}), options, Setting(4, 4, 1, 0))
    objective.owned.copy_(torch.tensor([1, 1, 0, 0]))
    return objective.train()


@pytest.mark.parametrize(
    ("options", "owned", "loss"),
    [
        ({}, [0, 0, 1, 1], (0.8 + 0.0 + 0.4 + 2.0) / 4),
        ({"loss": "mean"}, [0, 0, 1, 1], (0.8 + 0.0 + 0.4 + 2.0) / 8),
        ({"refine_from": 0}, [1, 1, 0, 0], (0.4 + 2.0 + 0.8 + 0.0) / 4),
    ],
)
def test_golden_step(options, owned, loss):
    """By hand: the plain images 0 and 1 lie on the first axis and own the second, so they swap with 2 and 3.

    The refinement finds these clusters as well, and leaves them their names.
    """
    plain = torch.tensor([[2.0, 0.0], [5.0, 0.1], [0.0, 1.0], [-1.0, 9.0]])[..., None, None]
    augmented = torch.tensor([[3.0, 4.0], [1.0, 0.0], [6.0, 8.0], [1.0, 0.0]])[..., None, None]
    objective = plane(**options)
    objective.before_epoch(epoch(0, plain))
    looks = (plain, augmented) if objective.swaps() else (augmented,)
    found = objective.train().loss(Batch(0, 0, torch.arange(4), looks))
    assert objective.owned.tolist() == owned
    assert found.value.item() == pytest.approx(loss)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"means": "two-hot"}, "means must be one of one-hot, random"),
        ({"sizes": "equal"}, "sizes must be one of balanced, multinomial"),
        ({"sigma": -0.1}, "sigma must not be negative"),
        ({"refine_from": -1}, "refine_from must not be negative"),
        ({"optimisers": 2}, "need the rotation task"),
    ],
)
def test_mistakes_in_options_are_user_errors(options, message):
    with pytest.raises(UserError, match=message):
        make(networks(), options, Setting(20, 5, 1, 0))


def test_mistakes_in_heads_are_user_errors(small_networks):
    with pytest.raises(UserError, match="needs a head of kind 'nearest-mean'"):
        make(small_networks(), {}, Setting(20, 5, 1, 0))
    with pytest.raises(UserError, match="needs one head, not 2"):
        make(small_networks(heads=2, kind="nearest-mean"), {}, Setting(20, 5, 1, 0))
    with pytest.raises(UserError, match="3 one-hot means need as many dimensions, not 2"):
        make(networks(3, 2), {}, Setting(20, 5, 1, 0))


@pytest.mark.parametrize("options", [{}, {"refine_from": 0}, {"rotation": "steps"}], ids=str)
def test_a_network_that_has_diverged_is_a_user_error(training, options):
    recipe = {"optimiser": {"name": "sgd", "learning_rate": 1e30}, "augmentation": ROTATING}
    with pytest.raises(UserError, match=r"not finite.*lower the learning rate"):
        training("mmdc", options, networks=networks(), **recipe)


def test_a_network_that_diverges_in_the_last_step_of_an_epoch_is_a_user_error():
    objective = make(networks(), {"refine_from": 0}, Setting(20, 5, 4, 0))
    objective.heads["0"][0].weight.data.fill_(torch.nan)
    with pytest.raises(UserError, match="not finite; lower the learning rate"):
        objective.before_epoch(epoch(0, pixels(20)))
