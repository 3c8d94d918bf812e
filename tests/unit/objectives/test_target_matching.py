"""The assignment inside a batch against all permutations, and what it leaves as it was."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from clusterprobe.objectives.kernels.gaussian_targets import draw_uniform
from clusterprobe.objectives.kernels.target_matching import DISTANCES, match, matching_costs

distances = st.sampled_from(DISTANCES)


def on_sphere(rows: int, dimensions: int, seed: int) -> torch.Tensor:
    return draw_uniform(rows, dimensions, torch.Generator().manual_seed(seed))


def cost(outputs: torch.Tensor, targets: torch.Tensor, distance: str) -> float:
    away = (outputs.double() - targets.double()).norm(dim=1)
    return float((away**2 if distance == "squared" else away).sum())


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 6), dimensions=st.integers(1, 4), seed=st.integers(0, 50), distance=distances)
def test_it_is_the_best_of_all_permutations(size, dimensions, seed, distance):
    outputs, targets = on_sphere(size, dimensions, seed), on_sphere(size, dimensions, seed + 100)
    best = min(cost(outputs, targets[list(order)], distance) for order in itertools.permutations(range(size)))
    matched = match(outputs, targets, distance)
    assert cost(outputs, targets[matched], distance) == pytest.approx(best, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 40), clusters=st.integers(1, 6), seed=st.integers(0, 50), distance=distances)
def test_targets_are_conserved_and_the_cost_never_grows(size, clusters, seed, distance):
    outputs = on_sphere(size, clusters, seed)
    targets = torch.eye(clusters)[
        torch.randint(clusters, (size,), generator=torch.Generator().manual_seed(seed))
    ]
    matched = match(outputs, targets, distance)
    assert sorted(matched.tolist()) == list(range(size))
    assert cost(outputs, targets[matched], distance) <= cost(outputs, targets, distance) + 1e-9


@settings(max_examples=60, deadline=None)
@given(size=st.integers(2, 20), seed=st.integers(0, 50), distance=distances)
def test_images_and_targets_may_come_in_any_order(size, seed, distance):
    outputs, targets = on_sphere(size, 3, seed), on_sphere(size, 3, seed + 100)
    order, other = (torch.from_numpy(np.random.default_rng(seed + n).permutation(size)) for n in (0, 1))
    plain = targets[match(outputs, targets, distance)]
    shuffled = targets[other][match(outputs[order], targets[other], distance)]
    assert torch.equal(shuffled, plain[order])


@settings(max_examples=60, deadline=None)
@given(clusters=st.integers(2, 5), each=st.integers(1, 6), seed=st.integers(0, 30))
def test_a_balanced_batch_is_the_balanced_assignment_of_scipy(clusters, each, seed):
    """One column for every place of a cluster: the transport problem, solved another way."""
    outputs = on_sphere(clusters * each, clusters, seed)
    targets = torch.eye(clusters).repeat_interleave(each, dim=0)
    found = targets[match(outputs, targets)].argmax(dim=1)
    similarity = outputs.double().numpy().repeat(each, axis=1)  # |f - e|^2 = 2 - 2 f.e on the sphere
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    assert torch.bincount(found, minlength=clusters).tolist() == [each] * clusters
    assert outputs[rows, found].double().sum() == pytest.approx(similarity[rows, columns].sum())
    assert torch.equal(found, torch.from_numpy(columns // each))


def test_squared_and_plain_distance_are_different_problems():
    differ = 0
    for seed in range(50):
        outputs = on_sphere(16, 4, seed)
        targets = torch.eye(4)[torch.arange(16) % 4]
        differ += not torch.equal(
            targets[match(outputs, targets, "squared")], targets[match(outputs, targets, "plain")]
        )
    assert 5 < differ < 45


def test_golden_matching():
    outputs = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
    targets = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    torch.testing.assert_close(
        matching_costs(outputs, targets)[:, [0, 3]],
        torch.tensor([[2.0, 0.0], [0.8, 0.4], [0.4, 0.8], [0.0, 2.0]], dtype=torch.float64),
        atol=1e-6,
        rtol=0,
    )
    plain = matching_costs(outputs, targets, "plain")
    torch.testing.assert_close(plain.square(), matching_costs(outputs, targets))
    assert match(outputs, targets)[0] == 3


def test_many_equal_targets_and_half_precision_do_no_harm():
    outputs = on_sphere(64, 4, 0).to(torch.bfloat16)
    targets = torch.eye(4)[torch.zeros(64, dtype=torch.int64)]
    assert sorted(match(outputs, targets).tolist()) == list(range(64))
