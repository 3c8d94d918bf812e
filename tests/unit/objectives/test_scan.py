from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.objectives.kernels.scan_loss import neighbourhood_loss, scan_loss
from clusterprobe.objectives.scan import Scan, make
from clusterprobe.train.objective import Batch, Epoch, Networks, Setting

IMAGES = 8
NEIGHBOURS = torch.tensor([[(row + 1) % 8, (row + 2) % 8, (row + 3) % 8] for row in range(IMAGES)])


def setting(neighbours: torch.Tensor = NEIGHBOURS) -> Setting:
    return Setting(IMAGES, 4, 1, 0, {"neighbours": neighbours})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int = IMAGES, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=generator(seed))


def epoch(number: int = 0, **sets: torch.Tensor) -> Epoch:
    """Hooks of an epoch that show these images in two blocks."""

    def plain(name: str):
        rows = torch.arange(len(sets[name])).split(5)
        return ((block, sets[name][block]) for block in rows)

    return Epoch(number, generator(), plain)


def drawn(objective: Scan, seed: int = 0) -> list[torch.Tensor]:
    views = objective.views(torch.arange(IMAGES), generator(seed))
    assert {view.augmentation for view in views} == {"train"}
    assert torch.equal(views[0].indices, torch.arange(IMAGES))
    return [view.indices for view in views[1:]]


def test_every_visit_draws_one_neighbour_of_each_image_from_the_generator(small_networks):
    objective = make(small_networks(), {}, setting())
    (first,), (same,), (other,) = drawn(objective), drawn(objective), drawn(objective, seed=1)
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    seen = torch.stack([drawn(objective, seed)[0] for seed in range(200)])
    for row in range(IMAGES):
        assert set(seen[:, row].tolist()) == set(NEIGHBOURS[row].tolist())
    assert len({tuple(each) for each in (seen - torch.arange(IMAGES)).remainder(8).tolist()}) > 100


@pytest.mark.parametrize(
    ("options", "distances"),
    [
        ({"neighbours": 2}, {1, 2}),
        ({"include_self": True}, {0, 1, 2, 3}),
        ({"neighbours": 1, "include_self": True}, {0, 1}),
    ],
)
def test_options_say_which_images_count_as_neighbours(small_networks, options, distances):
    objective = make(small_networks(), options, setting())
    seen = torch.stack([drawn(objective, seed)[0] for seed in range(100)])
    steps = (seen - torch.arange(IMAGES)).remainder(8)
    assert set(steps.flatten().tolist()) == distances
    shares = torch.bincount(steps.flatten()).float() / steps.numel()
    assert shares[shares > 0].max() - shares[shares > 0].min() < 0.1


def test_all_neighbours_may_be_visited_at_once(small_networks):
    objective = make(small_networks(), {"per_visit": 3}, setting())
    columns = torch.stack(drawn(objective), dim=1)
    assert torch.equal(columns.sort(dim=1).values, NEIGHBOURS.sort(dim=1).values)


def test_without_neighbours_the_image_is_augmented_twice(small_networks):
    objective = make(small_networks(), {"neighbours": 0}, Setting(IMAGES, 4, 1, 0))
    indices = torch.arange(4)
    views = objective.views(indices, generator())
    assert len(views) == 2
    assert all(view.indices is indices for view in views)


@pytest.mark.parametrize("separate", [True, False])
def test_the_loss_is_the_sum_over_the_heads(small_networks, separate):
    networks = small_networks(heads=3)
    options = {"entropy_weight": 2.0, "separate_forwards": separate}
    anchors, neighbours = pixels(4), pixels(4, seed=1)
    loss = make(networks, options, setting()).loss(Batch(0, 0, torch.arange(4), (anchors, neighbours)))
    reference = small_networks(heads=3)
    if separate:
        features = [reference.body(anchors), reference.body(neighbours)]
    else:
        features = list(reference.body(torch.cat([anchors, neighbours])).chunk(2))
    terms = [scan_loss(*map(head, features), 2.0) for head in reference.heads.values()]
    assert loss.value.item() == pytest.approx(sum(each.total.item() for each in terms), rel=1e-5)
    for number, each in enumerate(terms):
        assert loss.logged[f"consistency/{number}"].item() == pytest.approx(each.consistency.item(), rel=1e-5)
        assert loss.logged[f"entropy/{number}"].item() == pytest.approx(each.entropy.item(), rel=1e-5)


def test_images_and_neighbours_are_normalised_apart_unless_told_otherwise(small_networks):
    batch = Batch(0, 0, torch.arange(4), (pixels(4), 5 + pixels(4, seed=1)))
    apart, together = (
        make(small_networks(), {"separate_forwards": separate}, setting()).loss(batch).value.item()
        for separate in (True, False)
    )
    assert apart != pytest.approx(together, rel=1e-3)


def test_several_neighbours_of_an_image_are_averaged_over(small_networks):
    views = tuple(pixels(4, seed=seed) for seed in range(3))
    many = make(small_networks(), {"per_visit": 2}, setting()).loss(Batch(0, 0, torch.arange(4), views))
    each = [
        make(small_networks(), {}, setting()).loss(Batch(0, 0, torch.arange(4), (views[0], view)))
        for view in views[1:]
    ]
    assert many.value.item() == pytest.approx(sum(one.value.item() for one in each) / 2, rel=1e-5)


def test_heads_do_not_see_each_other(training, small_networks):
    one, three = small_networks(heads=1), small_networks(heads=3)
    options = {"frozen": True, "keep": "last"}
    alone = training("scan", options, networks=one)
    training.folder = training.folder / "three"
    among = training("scan", options, networks=three)
    torch.testing.assert_close(alone.heads["0"].state_dict(), among.heads["0"].state_dict())
    assert not torch.equal(among.heads["0"][0].weight, among.heads["1"][0].weight)


def test_a_frozen_body_keeps_its_weights_and_statistics(training, small_networks):
    before = small_networks(heads=2)
    after = training("scan", {"frozen": True}, networks=small_networks(heads=2))
    for name, value in before.body.state_dict().items():
        assert torch.equal(value, after.body.state_dict()[name]), name
    assert not torch.equal(before.heads["0"][0].weight, after.heads["0"][0].weight)
    objective = make(small_networks(), {"frozen": True}, setting()).train()
    assert not objective.body.training
    assert objective.heads["0"].training
    assert make(small_networks(), {}, setting()).train().body.training


def test_a_whole_network_is_updated_otherwise(training, small_networks):
    before = small_networks()
    after = training("scan", {}, networks=small_networks())
    changed = [
        name
        for name, value in before.body.state_dict().items()
        if not torch.equal(value, after.body.state_dict()[name])
    ]
    assert changed == list(before.body.state_dict())


def direct(objective: Scan, images: torch.Tensor, companions: torch.Tensor, weight: float) -> list[float]:
    objective.eval()
    with torch.no_grad():
        features = objective.body(images)
        return [
            neighbourhood_loss(head(features), companions, weight, objective.prior).total.item()
            for head in objective.heads.values()
        ]


@pytest.mark.parametrize("options", [{}, {"entropy_weight": 2.0}, {"prior": [0.5, 0.3, 0.2]}])
def test_heads_are_chosen_by_the_training_loss_on_plain_training_images(small_networks, options):
    objective = make(small_networks(heads=4), options, setting()).train()
    assert objective.chosen_head() is None
    log = objective.after_epoch(epoch(train=pixels()))
    expected = direct(objective, pixels(), NEIGHBOURS, options.get("entropy_weight", 5.0))
    assert [log[f"selection_loss/{number}"] for number in range(4)] == pytest.approx(expected, rel=1e-5)
    assert objective.chosen_head() == str(int(np.argmin(expected)))
    assert log["chosen_head"] == int(np.argmin(expected))
    clusters = [
        len(head(objective.body(pixels())).argmax(dim=1).unique()) for head in objective.heads.values()
    ]
    assert [log[f"clusters_used/{number}"] for number in range(4)] == clusters


def test_heads_may_be_chosen_on_other_images_as_the_reference_code_does(small_networks):
    objective = make(small_networks(heads=4), {"selection": "evaluation"}, setting())
    others = pixels(12, seed=5)
    with torch.no_grad():
        unit = F.normalize(objective.eval().body(others), dim=1)
    similarity = (unit @ unit.T).fill_diagonal_(2.0)
    itself_and_five = similarity.topk(6, dim=1).indices
    objective.train().before_epoch(epoch(selection=others))
    with torch.no_grad():
        for parameter in objective.body.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator()))
    log = objective.after_epoch(epoch(selection=others))
    expected = direct(objective, others, itself_and_five, weight=1.0)
    assert [log[f"selection_loss/{number}"] for number in range(4)] == pytest.approx(expected, rel=1e-5)


def spoil(objective: Scan) -> None:
    with torch.no_grad():
        for head in objective.heads.values():
            head[0].weight.zero_()
            head[0].bias.copy_(torch.tensor([9.0, 0.0, 0.0]))


@pytest.mark.parametrize("frozen", [True, False])
def test_the_best_epoch_is_kept(small_networks, frozen):
    objective = make(small_networks(heads=2), {"frozen": frozen}, setting())
    objective.after_epoch(epoch(train=pixels()))
    chosen = objective.chosen_head()
    best = {name: head[0].weight.clone() for name, head in objective.heads.items()}
    body = objective.body.network[0].weight.clone()
    spoil(objective)
    if not frozen:
        objective.body.network[0].weight.data += 1
    objective.after_epoch(epoch(1, train=pixels()))
    kept = objective.networks()
    assert objective.chosen_head() == chosen
    assert all(torch.equal(kept.heads[name][0].weight, weight) for name, weight in best.items())
    assert torch.equal(kept.body.network[0].weight, body)
    assert not any(parameter.requires_grad for head in kept.heads.values() for parameter in head.parameters())


def test_a_better_epoch_replaces_the_kept_one_and_another_head_may_win(small_networks):
    objective = make(small_networks(heads=2), {}, setting())
    spoil(objective)
    objective.after_epoch(epoch(train=pixels()))
    with torch.no_grad():
        objective.heads["1"][0].bias.zero_()
    objective.after_epoch(epoch(1, train=pixels()))
    assert objective.chosen_head() == "1"
    assert not objective.networks().heads["1"][0].bias.any()


def test_the_last_epoch_may_be_kept(small_networks):
    objective = make(small_networks(heads=2), {"keep": "last"}, setting())
    objective.after_epoch(epoch(train=pixels()))
    spoil(objective)
    objective.heads["1"][0].bias.data.zero_()
    objective.after_epoch(epoch(1, train=pixels()))
    assert objective.chosen_head() == "1"
    assert objective.networks().heads["0"] is objective.heads["0"]


def test_the_features_of_a_frozen_body_are_computed_once(small_networks):
    objective = make(small_networks(), {"frozen": True}, setting())
    objective.after_epoch(epoch(train=pixels()))
    before = objective.best_loss.clone()
    objective.after_epoch(epoch(1))  # shows no images
    assert torch.equal(objective.best_loss, before)


@pytest.mark.parametrize("stop_at", [(0, 1), (1, 3), (2, 0)])
@pytest.mark.parametrize(
    "options",
    [{}, {"frozen": True, "per_visit": 2}, {"selection": "evaluation", "keep": "last"}],
    ids=["default", "frozen", "evaluation"],
)
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    trained = resumed_equals_undisturbed("scan", options, stop_at, heads=2)
    assert trained.chosen in ("0", "1")
    line = json.loads(trained.log[-1])
    assert {"consistency/1", "entropy/0", "selection_loss/1", "clusters_used/0", "chosen_head"} <= line.keys()


def test_neighbours_of_two_kinds_become_two_clusters(training, small_networks):
    random = np.random.default_rng(1)
    kinds = random.permutation(np.repeat([0, 1], 32))
    images = random.integers(0, 80, (64, 1, 8, 8))
    images[kinds == 1] += 150
    training.images = type(training.images)(images.astype(np.uint8))
    alike = [np.flatnonzero((kinds == kind) & (np.arange(64) != row)) for row, kind in enumerate(kinds)]
    training.arrays = {"neighbours": np.stack([random.choice(rows, 5, replace=False) for rows in alike])}
    networks = small_networks(heads=2, clusters=2)
    trained = training("scan", {}, networks=networks, epochs=10, batch_size=16, augmentation=[])
    with torch.no_grad():
        normalised = (torch.from_numpy(images).float() / 255 - 0.5) / 0.25
        clusters = trained.heads[trained.chosen](trained.body(normalised)).argmax(dim=1).numpy()
    assert abs((clusters == kinds).mean() - 0.5) == 0.5


@pytest.mark.parametrize(
    ("options", "neighbours", "message"),
    [
        ({"entropy_wieght": 5}, NEIGHBOURS, "did you mean 'entropy_weight'"),
        ({"entropy_weight": -1}, NEIGHBOURS, "must not be negative"),
        ({"prior": [0.5, 0.4, 0.3]}, NEIGHBOURS, "sum to 1"),
        ({"prior": [1.0, 0.0, 0.0]}, NEIGHBOURS, "one positive share"),
        ({"prior": [0.5, 0.5]}, NEIGHBOURS, "2 shares for 3 clusters"),
        ({"selection": "test"}, NEIGHBOURS, "'train' or 'evaluation'"),
        ({"keep": "first"}, NEIGHBOURS, "'best' or 'last'"),
        ({"neighbours": 4}, NEIGHBOURS, "neighbours is 4, but only 3 were mined"),
        ({"per_visit": 4}, NEIGHBOURS, "per_visit is 4"),
        ({"per_visit": 0}, NEIGHBOURS, "at least 1"),
        ({}, NEIGHBOURS[:5], "5 rows for 8 training images"),
        ({}, NEIGHBOURS + 1, "outside the training set"),
    ],
)
def test_mistakes_are_user_errors(small_networks, options, neighbours, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(), options, setting(neighbours))


def test_missing_neighbours_or_heads_are_user_errors(small_networks):
    with pytest.raises(UserError, match="needs the array 'neighbours'"):
        make(small_networks(), {}, Setting(IMAGES, 4, 1, 0))
    with pytest.raises(UserError, match="needs heads"):
        make(small_networks(heads=0), {}, setting())


def test_features_that_cost_nothing_are_read_again(small_networks):
    networks = small_networks(heads=2)
    identity = Networks(Body(torch.nn.Identity(), networks.body.width), networks.heads)
    objective = make(identity, {"frozen": True, "keep": "last"}, setting())
    features = torch.rand(IMAGES, networks.body.width, generator=generator())
    first = objective.after_epoch(epoch(train=features))
    again = objective.after_epoch(epoch(1, train=2 * features))
    expected = direct(objective, features, NEIGHBOURS, weight=5.0)
    assert [first[f"selection_loss/{name}"] for name in "01"] == pytest.approx(expected, rel=1e-5)
    assert again["selection_loss/0"] != pytest.approx(first["selection_loss/0"], rel=1e-5)


@pytest.mark.parametrize(("keep", "averages"), [("best", False), ("last", True)])
def test_an_average_of_the_weights_can_only_replace_those_of_the_last_epoch(
    training, small_networks, keep, averages
):
    def train():
        return training("scan", {"keep": keep}, networks=small_networks(), ema=0.9)

    if averages:
        train()
    else:
        with pytest.raises(UserError, match="`ema`"):
            train()
