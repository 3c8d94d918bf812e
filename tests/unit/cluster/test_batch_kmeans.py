from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from clusterprobe.cluster.batch_kmeans import batch_kmeans


def sphere(count: int, width: int = 4, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def slow(points: np.ndarray, groups: int, iterations: int, spherical: bool) -> tuple[list[int], np.ndarray]:
    """Loops over points and groups; an empty group stays where it was on the sphere, or else is zero."""
    centres = points[:groups].copy()
    for _ in range(iterations):
        labels = [
            min(range(groups), key=lambda k: float(((point - centres[k]) ** 2).sum())) for point in points
        ]
        for group in range(groups):
            members = [point for point, label in zip(points, labels, strict=True) if label == group]
            if members:
                mean = sum(members) / len(members)
                centres[group] = mean / math.sqrt(float((mean**2).sum())) if spherical else mean
            elif not spherical:
                centres[group] = 0
    return labels, centres


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize(("groups", "iterations"), [(1, 1), (2, 5), (5, 3), (11, 5)])
def test_equals_loops_over_points_and_groups(spherical, groups, iterations):
    for seed in range(5):
        points = sphere(12, 3, seed)
        found = batch_kmeans(points, groups, iterations, spherical=spherical)
        labels, centres = slow(points.double().numpy(), groups, iterations, spherical)
        assert found.labels.tolist() == labels
        used = found.sizes > 0
        np.testing.assert_allclose(found.centres[used], centres[used.numpy()], atol=1e-6)
        assert found.sizes.tolist() == [labels.count(group) for group in range(groups)]


@pytest.mark.parametrize(("groups", "norm"), [(10, 0.27), (100, 0.75), (128, 0.82), (200, 0.95)])
def test_plain_means_of_nearly_orthogonal_points_are_as_short_as_those_of_the_reference_code(groups, norm):
    found = batch_kmeans(sphere(256, 128), groups, spherical=False)
    assert found.centres[found.sizes > 0].norm(dim=1).mean().item() == pytest.approx(norm, abs=0.03)
    unit = batch_kmeans(sphere(256, 128), groups)
    torch.testing.assert_close(
        unit.centres[unit.sizes > 0].norm(dim=1), torch.ones(int((unit.sizes > 0).sum()))
    )


@pytest.mark.parametrize("spherical", [True, False])
@pytest.mark.parametrize("groups", [64, 120])
def test_with_as_many_groups_as_points_every_point_is_a_group(groups, spherical):
    points = sphere(64)
    found = batch_kmeans(points, groups, spherical=spherical)
    assert found.labels.tolist() == list(range(64))
    torch.testing.assert_close(found.centres[:64], points)
    assert not found.centres[64:].any()
    assert found.sizes.tolist() == [1] * 64 + [0] * (groups - 64)


@settings(deadline=None)
@given(st.integers(0, 100))
def test_turning_the_sphere_turns_the_centres(seed):
    points = sphere(20, 4, seed)
    turn = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(seed)).double())[0]
    plain, turned = batch_kmeans(points.double(), 5), batch_kmeans(points.double() @ turn, 5)
    assert torch.equal(plain.labels, turned.labels)
    torch.testing.assert_close(plain.centres @ turn, turned.centres)


@pytest.mark.parametrize("spherical", [True, False])
def test_points_at_one_place_leave_a_group_empty(spherical):
    found = batch_kmeans(torch.tensor([[0.6, 0.8]] * 4), 2, spherical=spherical)
    assert found.sizes.tolist() == [4, 0]
    assert found.labels.tolist() == [0] * 4
    assert not found.centres[1].any()


def test_gradients_reach_the_points_through_the_last_means():
    points = sphere(12).requires_grad_()
    found = batch_kmeans(points, 3)
    found.centres[0].sum().backward()
    moved = points.grad.abs().sum(dim=1) > 0
    assert torch.equal(moved, found.labels == 0)
    assert not batch_kmeans(points.detach(), 3).centres.requires_grad
