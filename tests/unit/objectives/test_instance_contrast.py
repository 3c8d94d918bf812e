from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.objectives.kernels.instance_contrast import fixed_normaliser, info_nce, nce


def sphere(count: int, seed: int, width: int = 3) -> torch.Tensor:
    return F.normalize(torch.randn(count, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
@pytest.mark.parametrize("negatives", [0, 1, 7])
def test_info_nce_equals_its_equation_written_as_loops(temperature, negatives):
    queries, keys, others = sphere(4, 0), sphere(4, 1), sphere(negatives, 2)
    found = info_nce(queries, keys, others, temperature)
    for query, key, loss in zip(queries.double(), keys.double(), found, strict=True):
        positive = math.exp(float(query @ key) / temperature)
        rest = sum(math.exp(float(query @ other) / temperature) for other in others.double())
        assert loss.item() == pytest.approx(-math.log(positive / (positive + rest)), rel=1e-4, abs=1e-6)


def slow_nce(logits: np.ndarray, images: int, normaliser: float) -> list[float]:
    """-log h(itself) - sum of log(1 - h) of the noise, with h = p / (p + M / N)."""
    losses = []
    for row in logits:
        noise = (len(row) - 1) / images
        share = [math.exp(value) / normaliser / (math.exp(value) / normaliser + noise) for value in row]
        losses.append(-math.log(share[0]) - sum(math.log(1 - other) for other in share[1:]))
    return losses


def test_nce_equals_its_equations_written_as_loops():
    logits = torch.randn(5, 9, generator=torch.Generator().manual_seed(0))
    found = nce(logits, images=30, normaliser=torch.tensor(50.0))
    np.testing.assert_allclose(found, slow_nce(logits.double().numpy(), 30, 50.0), rtol=1e-4)


def test_the_normaliser_makes_the_mean_probability_of_a_uniform_draw_one_over_n():
    logits = torch.randn(100, 50, generator=torch.Generator().manual_seed(1))
    normaliser = fixed_normaliser(logits.exp().mean(), 400)
    assert (logits.exp() / normaliser).mean().item() == pytest.approx(1 / 400, rel=1e-5)


def test_more_noise_costs_the_images_that_look_like_it():
    logits = torch.tensor([[2.0, 0, 0, 0], [0.0, 2, 0, 0]])
    right, wrong = nce(logits, 10, torch.tensor(10.0))
    assert right < wrong
