from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.config.errors import UserError
from clusterprobe.objectives.npid import Npid, make
from clusterprobe.train.objective import Batch, Setting

IMAGES = 8
SETTING = Setting(IMAGES, 4, 4, 0)
ROWS = torch.tensor([5, 0, 2, 7])


def pixels(count: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def batch(looks: int = 1) -> Batch:
    return Batch(0, 0, ROWS, tuple(pixels(seed=seed) for seed in range(looks)))


def embedded(small_networks, looks: int) -> list[np.ndarray]:
    networks = small_networks()
    with torch.no_grad():
        outputs = networks.heads["0"](networks.body(torch.cat(batch(looks).views)))
    return [view.double().numpy() for view in F.normalize(outputs, dim=1).chunk(looks)]


def test_the_memory_starts_on_the_sphere_and_differs_by_seed(small_networks):
    objective = make(small_networks(), {}, SETTING)
    assert objective.memory.shape == (IMAGES, 3)
    torch.testing.assert_close(objective.memory.norm(dim=1), torch.ones(IMAGES))
    assert {"memory", "normaliser"} <= objective.state_dict().keys()
    assert torch.equal(make(small_networks(), {}, SETTING).memory, objective.memory)
    assert not torch.equal(make(small_networks(), {}, Setting(IMAGES, 4, 4, 1)).memory, objective.memory)


@pytest.mark.parametrize("looks", [1, 2])
def test_the_full_softmax_equals_its_equation_written_as_loops(small_networks, looks):
    objective = make(small_networks(), {"temperature": 0.3, "looks": looks}, SETTING).train()
    assert [view.augmentation for view in objective.views(ROWS, torch.Generator())] == ["train"] * looks
    memory = objective.memory.double().numpy()
    losses = []
    for view in embedded(small_networks, looks):
        for point, row in zip(view, ROWS, strict=True):
            weights = [math.exp(float(point @ entry) / 0.3) for entry in memory]
            losses.append(-math.log(weights[int(row)] / sum(weights)))
    found = objective.loss(batch(looks)).value.item()
    assert found == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_nce_with_a_fixed_normaliser_equals_its_equations_written_as_loops(small_networks, monkeypatch):
    objective = make(small_networks(), {"loss": "nce", "temperature": 0.3, "negatives": 5}, SETTING).train()
    drawn = torch.randint(IMAGES, (4, 5), generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(Npid, "_draw", lambda self, batch: drawn)
    memory, (points,) = objective.memory.double().numpy(), embedded(small_networks, 1)
    likely = [
        [math.exp(float(point @ memory[one]) / 0.3) for one in [int(row), *others.tolist()]]
        for point, row, others in zip(points, ROWS, drawn, strict=True)
    ]
    normaliser = IMAGES * float(np.mean(likely))
    noise = 5 / IMAGES
    losses = []
    for first, *rest in likely:
        own = first / normaliser / (first / normaliser + noise)
        others = [other / normaliser / (other / normaliser + noise) for other in rest]
        losses.append(-math.log(own) - sum(math.log(1 - other) for other in others))
    assert objective.loss(batch()).value.item() == pytest.approx(sum(losses) / 4, rel=1e-4)
    assert objective.normaliser.item() == pytest.approx(normaliser, rel=1e-5)
    objective.after_step()
    objective.loss(batch())
    assert objective.normaliser.item() == pytest.approx(normaliser, rel=1e-5)  # it stays


@pytest.mark.parametrize("looks", [1, 2])
def test_after_a_step_the_memory_has_moved_towards_what_was_seen_view_by_view(small_networks, looks):
    objective = make(small_networks(), {"momentum": 0.25, "looks": looks}, SETTING).train()
    expected = objective.memory.double().numpy().copy()
    for view in embedded(small_networks, looks):
        moved = 0.25 * expected[ROWS] + 0.75 * view
        expected[ROWS] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    objective.loss(batch(looks)).value.backward()
    before = objective.memory.clone()
    objective.after_step()
    np.testing.assert_allclose(objective.memory, expected, atol=1e-5)
    untouched = [row for row in range(IMAGES) if row not in ROWS.tolist()]
    assert torch.equal(objective.memory[untouched], before[untouched])


def test_negatives_are_drawn_anew_in_every_step(small_networks):
    objective = make(small_networks(), {"loss": "nce", "negatives": 50}, SETTING)
    first, again, other = (objective._draw(Batch(0, step, ROWS, ())) for step in (0, 0, 1))
    assert first.shape == (4, 50)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert set(first.flatten().tolist()) == set(range(IMAGES))


def test_training_lowers_the_loss(training):
    log = training("npid", {"temperature": 0.5}, epochs=20, augmentation=[]).log
    assert json.loads(log[-1])["loss"] < json.loads(log[0])["loss"] - 0.1


@pytest.mark.parametrize("options", [{}, {"looks": 2}, {"loss": "nce", "negatives": 6}], ids=str)
@pytest.mark.parametrize("stop_at", [(0, 1), (1, 2)])
def test_an_interrupted_run_equals_an_undisturbed_one(resumed_equals_undisturbed, options, stop_at):
    resumed_equals_undisturbed("npid", options, stop_at)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature must be positive"),
        ({"loss": "softmin"}, "loss must be one of softmax, nce"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\)"),
        ({"negatives": 0}, "negatives must be positive"),
        ({"looks": 3}, "looks must be 1 or 2"),
    ],
)
def test_mistakes_in_options_are_user_errors(small_networks, options, message):
    with pytest.raises(UserError, match=f"objective npid: {message}"):
        make(small_networks(), options, SETTING)


@pytest.mark.parametrize("heads", [0, 2])
def test_one_head_is_needed(small_networks, heads):
    with pytest.raises(UserError, match=f"objective npid: the job needs one head, not {heads}"):
        make(small_networks(heads=heads), {}, SETTING)
