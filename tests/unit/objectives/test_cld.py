from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster.batch_kmeans import batch_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.heads import build_head
from clusterprobe.objectives.cld import CldOptions, cross_level_losses, make
from clusterprobe.train.objective import Batch, Epoch, Setting

SETTING = Setting(21, 6, 4, 0)
ROWS = torch.tensor([5, 0, 2, 7, 9, 1])
REFERENCE = {"centres": "means", "attached": True, "empty": "zero"}
BASES = {
    "npid": {},
    "moco": {"queue": 12},
    "simclr": {},
    "byol": {"hidden": 6},
}


def sphere(count: int, seed: int, width: int = 4) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def with_base(name: str = "npid", groups: int = 2, **others: object) -> dict[str, object]:
    return {"base": {"name": name, "options": BASES[name]}, "groups": groups, **others}


def batch(views: int = 3) -> Batch:
    looks = (torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in range(views))
    return Batch(0, 0, ROWS, tuple(looks))


def two_view_contrast(view1: torch.Tensor, view2: torch.Tensor, temperature: float, zeros: int) -> float:
    """Pick the other view of an image among those of all images of the batch, in both directions."""
    losses = []
    for ours, others in ((view1, view2), (view2, view1)):
        for row, point in enumerate(ours.double()):
            weights = [math.exp(float(point @ other) / temperature) for other in others.double()]
            losses.append(-math.log(weights[row] / (sum(weights) + zeros)))
    return float(np.mean(losses))


@pytest.mark.parametrize("reference", [False, True])
@pytest.mark.parametrize("groups", [64, 120])
def test_with_as_many_groups_as_images_it_is_the_contrast_of_two_views(groups, reference):
    """With 120 groups for 64 images, as published for ImageNet, 56 more negatives lie at zero."""
    view1, view2 = sphere(64, 0), sphere(64, 1)
    own = REFERENCE if reference else {}
    losses, found = cross_level_losses(view1, view2, CldOptions(groups, temperature=0.4, **own))
    zeros = groups - 64 if reference else 0
    assert losses.mean().item() == pytest.approx(two_view_contrast(view1, view2, 0.4, zeros), rel=1e-5)
    assert all(clusters.labels.tolist() == list(range(64)) for clusters in found)


def slow_losses(view1: torch.Tensor, view2: torch.Tensor, groups: int, temperature: float) -> float:
    """The last two terms of equation 4, each point against the centres of the other view's groups."""
    losses = []
    for ours, others in ((view1, view2), (view2, view1)):
        clusters = batch_kmeans(others, groups)
        for point, label in zip(ours.double(), clusters.labels.tolist(), strict=True):
            members = {g: others[clusters.labels == g].double() for g in set(clusters.labels.tolist())}
            centres = {g: rows.mean(dim=0) / rows.mean(dim=0).norm() for g, rows in members.items()}
            weights = {g: math.exp(float(point @ centre) / temperature) for g, centre in centres.items()}
            losses.append(-math.log(weights[label] / sum(weights.values())))
    return float(np.mean(losses))


@pytest.mark.parametrize("groups", [2, 5, 11])
def test_each_view_is_held_against_the_groups_of_the_other(groups):
    view1 = sphere(12, 0)
    view2 = F.normalize(view1 + 0.3 * sphere(12, 1), dim=1)
    view2[3:6] = view2[3]  # so that some groups are empty
    losses, _ = cross_level_losses(view1, view2, CldOptions(groups, temperature=0.3))
    assert losses.mean().item() == pytest.approx(slow_losses(view1, view2, groups, 0.3), rel=1e-5)


@settings(deadline=None)
@given(st.integers(0, 50), st.integers(1, 8))
def test_equal_views_have_equal_groups_and_views_can_change_places(seed, groups):
    view1, view2 = sphere(10, seed), sphere(10, seed + 1000)
    options = CldOptions(groups)
    _, (first, second) = cross_level_losses(view1, view1, options)
    assert torch.equal(first.labels, second.labels)
    one, other = cross_level_losses(view1, view2, options)[0], cross_level_losses(view2, view1, options)[0]
    torch.testing.assert_close(one, other)


def test_an_empty_group_is_no_negative_unless_asked_for():
    points = torch.tensor([[1.0, 0]] * 3 + [[0, 1.0]] * 3)
    assert int((batch_kmeans(points, 3).sizes > 0).sum()) == 2
    left_out, _ = cross_level_losses(points, points, CldOptions(3, temperature=1.0))
    zero, _ = cross_level_losses(points, points, CldOptions(3, temperature=1.0, empty="zero"))
    right = torch.full((6,), math.e)
    torch.testing.assert_close(left_out, -torch.log(right / (right + 1)))
    torch.testing.assert_close(zero, -torch.log(right / (right + 2)))


def test_centres_give_gradients_only_if_attached():
    """With one look fixed, what is left is the gradient through its centres."""

    def gradient(attached: bool) -> torch.Tensor:
        view1, view2 = sphere(10, 0).requires_grad_(), sphere(10, 1).requires_grad_()
        cross_level_losses(view1, view2, CldOptions(3, attached=attached))[0].sum().backward()
        assert view1.grad.abs().sum() > 0
        return view2.grad

    assert not torch.allclose(gradient(True), gradient(False))
    view1, view2 = sphere(10, 0).requires_grad_(), sphere(10, 1)
    _, (first, _) = cross_level_losses(view1, view2, CldOptions(3, attached=True))
    assert first.centres.requires_grad
    assert not cross_level_losses(view1, view2, CldOptions(3))[1][0].centres.requires_grad


@pytest.mark.parametrize("name", BASES)
def test_it_stands_on_any_objective_that_tells_instances_apart(small_networks, name):
    torch.manual_seed(0)
    objective = make(small_networks(heads=2), with_base(name, weight=0.5), SETTING).train()
    given = batch(len(objective.views(ROWS, torch.Generator())))
    start = Epoch(0, torch.Generator(), lambda name: iter(()), taken=0, total=10)
    objective.before_epoch(start)
    objective.before_step(start)
    loss = objective.loss(given)
    networks = small_networks(heads=2)
    features = networks.body(torch.cat(given.views[:2]))
    view1, view2 = F.normalize(networks.heads["1"](features), dim=1).detach().chunk(2)
    expected = slow_losses(view1, view2, 2, 0.2)
    assert loss.logged["group_loss"].item() == pytest.approx(expected, rel=1e-4)
    torch.manual_seed(0)
    alone = make(small_networks(heads=2), with_base(name, weight=0), SETTING).train().loss(given)
    assert loss.value.item() == pytest.approx(alone.value.item() + 0.5 * expected, rel=1e-4)
    loss.value.backward()
    objective.after_step()
    assert objective.heads["1"][0].weight.grad.abs().sum() > 0
    assert list(objective.networks().heads) == ["0", "1"]


@pytest.mark.parametrize("name", BASES)
def test_losses_are_taken_in_single_precision_whatever_the_networks_compute_in(small_networks, name):
    losses = []
    for enabled in (False, True):
        torch.manual_seed(0)
        objective = make(small_networks(heads=2, kind="norm-mlp"), with_base(name), SETTING).train()
        given = batch(len(objective.views(ROWS, torch.Generator())))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = objective.loss(given)
        loss.value.backward()
        objective.after_step()
        losses.append(loss.value)
    assert losses[1].dtype == torch.float32
    assert losses[1].item() == pytest.approx(losses[0].item(), rel=0.05)


@pytest.mark.parametrize("shared", [True, False])
def test_mlp_heads_share_all_layers_but_the_last(small_networks, shared):
    networks = small_networks(heads=2, kind="norm-mlp")
    objective = make(networks, with_base(shared=shared), SETTING)
    instance, groups = objective.heads["0"], objective.heads["1"]
    assert (instance[0] is groups[0]) == shared
    assert instance[2] is not groups[2]
    parameters = {name for name, _ in objective.named_parameters() if name.startswith("heads")}
    assert len(parameters) == (4 if shared else 6)


@pytest.mark.parametrize("groups", [6, 7])
def test_as_many_groups_as_images_are_refused_with_what_to_do(small_networks, groups):
    with pytest.raises(
        UserError, match=f"{groups} groups for 6 images.*nothing to group.*ImageNet.*Take fewer"
    ):
        make(small_networks(heads=2), with_base(groups=groups), SETTING)
    allowed = make(
        small_networks(heads=2), with_base(groups=groups, every_image_a_group=True), SETTING
    ).train()
    assert allowed.loss(batch(2)).logged["groups_used"].item() == 6


def test_a_smaller_last_batch_is_refused_too(training, small_networks):
    with pytest.raises(UserError, match="4 groups for 1 images"):
        training("cld", with_base(groups=4), networks=small_networks(heads=2), drop_last=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "groups"),
        (with_base(temperature=0), "temperature must be positive"),
        (with_base(weight=-1), "weight must not be negative"),
        (with_base(centres="median"), "centres must be one of unit, means"),
        (with_base(empty="ignored"), "empty must be one of left-out, zero"),
        (with_base(scope="gpu"), "scope must be one of batch, process"),
        ({"groups": 2, "base": {}}, "base must have a name"),
        ({"groups": 2, "base": {"name": "mocco"}}, "did you mean 'moco'"),
        ({"groups": 2, "base": {"name": "rotation"}}, "needs a head with 4 outputs"),
        ({"groups": 2, "base": {"name": "nat"}}, "its base 'nat' does not tell instances apart"),
        ({"groups": 2, "base": {"name": "npid", "options": {"looks": 1}}}, "set `looks: 2`"),
    ],
)
def test_mistakes_in_options_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=message):
        make(small_networks(heads=2), options, SETTING)


def test_two_heads_are_needed(small_networks):
    with pytest.raises(UserError, match=r"needs two heads.*not 1: give it `head: \{count: 2\}`"):
        make(small_networks(), with_base(), SETTING)


@pytest.mark.parametrize("name", ["npid", "moco"])
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, name, stop_at):
    trained = resumed_equals_undisturbed("cld", with_base(name, groups=3), stop_at, heads=2, kind="norm-mlp")
    assert list(trained.heads) == ["0", "1"]
    assert json.loads(trained.log[-1]).keys() >= {"instance_loss", "group_loss", "groups_used"}


def test_the_network_for_small_images_is_as_large_as_that_of_the_reference_code():
    body = build("resnet18-small-images", {})
    heads = [build_head("linear", {"dimensions": 128}, body.width) for _ in range(2)]
    count = sum(parameter.numel() for part in (body, *heads) for parameter in part.parameters())
    assert count == 11_300_160
