"""Target points on the sphere: where they lie, how many of each, always the same for the same generator."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.objectives.kernels.gaussian_targets import (
    MEANS,
    draw_components,
    draw_means,
    draw_points,
    draw_uniform,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(MEANS),
    count=st.integers(1, 12),
    more=st.integers(0, 12),
    sigma=st.sampled_from([0.0, 0.1, 3.0]),
    seed=st.integers(0, 10),
)
def test_means_and_points_lie_on_the_sphere(kind, count, more, sigma, seed):
    means = draw_means(kind, count, count + more, generator(seed))
    components = draw_components(40, count, "multinomial", generator(seed))
    points = draw_points(means, components, sigma, generator(seed))
    assert points.dtype == means.dtype == torch.float32
    for rows in (means, points, draw_uniform(40, count + more, generator(seed))):
        assert rows.shape[1] == count + more
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(len(rows)))


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 12), more=st.integers(0, 5), images=st.integers(1, 40), seed=st.integers(0, 10))
def test_without_a_deviation_targets_are_one_hot(count, more, images, seed):
    means = draw_means("one-hot", count, count + more, generator(seed))
    components = draw_components(images, count, "balanced", generator(seed))
    points = draw_points(means, components, 0.0, generator(seed))
    expected = torch.nn.functional.one_hot(components, count + more).float()
    assert torch.equal(points, expected)


def test_random_means_may_have_any_dimension_and_lie_all_around():
    means = draw_means("random", 500, 3, generator())
    assert ((means > 0).float().mean(dim=0) - 0.5).abs().max() < 0.1
    assert draw_means("random", 8, 1, generator()).abs().eq(1).all()


def test_one_hot_means_need_room():
    with pytest.raises(ValueError, match="5 one-hot means need as many dimensions, not 4"):
        draw_means("one-hot", 5, 4, generator())


@settings(max_examples=60, deadline=None)
@given(images=st.integers(1, 60), count=st.integers(1, 12), seed=st.integers(0, 20))
def test_balanced_sizes_differ_by_one_at_most(images, count, seed):
    sizes = torch.bincount(draw_components(images, count, "balanced", generator(seed)), minlength=count)
    assert sizes.sum() == images
    assert sizes.max() - sizes.min() <= 1


def test_which_balanced_component_is_larger_is_random():
    largest = {
        int(torch.bincount(draw_components(7, 3, "balanced", generator(seed))).argmax()) for seed in range(20)
    }
    assert largest == {0, 1, 2}


def test_multinomial_sizes_vary_as_draws_do():
    draws = [draw_components(6000, 10, "multinomial", generator(seed)) for seed in range(200)]
    sizes = torch.stack([torch.bincount(each, minlength=10) for each in draws]).double()
    assert sizes.mean().item() == pytest.approx(600)
    assert sizes.std().item() == pytest.approx(math.sqrt(6000 * 0.1 * 0.9), rel=0.1)


def test_a_deviation_spreads_the_points_of_a_component():
    means = draw_means("one-hot", 3, 3, generator())
    components = torch.zeros(2000, dtype=torch.int64)
    near, far = (draw_points(means, components, sigma, generator())[:, 1].std() for sigma in (0.1, 0.3))
    assert near == pytest.approx(0.1, rel=0.1)  # small angles: the deviation itself
    assert far > 2 * near


def test_uniform_points_have_no_direction():
    assert draw_uniform(4000, 5, generator()).mean(dim=0).norm() < 0.05
