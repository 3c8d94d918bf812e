from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clusterprobe.objectives.kernels.neighbourhoods import draw_columns, nearest_others
from clusterprobe.objectives.kernels.scan_loss import (
    ScanTerms,
    consistency,
    mean_assignment,
    neighbourhood_loss,
    scan_loss,
)


def logits(*shape: int, seed: int = 0) -> torch.Tensor:
    return 2 * torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values(terms: ScanTerms) -> list[float]:
    return [terms.consistency.item(), terms.entropy.item(), terms.total.item()]


def slow_scan_loss(anchors: np.ndarray, neighbours: np.ndarray, weight: float) -> list[float]:
    """Equation 2 as the reference code computes it, written as loops."""
    p, q = (np.exp(x) / np.exp(x).sum(axis=1, keepdims=True) for x in (anchors, neighbours))
    consistent = -sum(max(math.log(a @ b), -100) for a, b in zip(p, q, strict=True)) / len(p)
    shares = [max(share, 1e-8) for share in p.mean(axis=0)]
    entropy = -sum(share * math.log(share) for share in shares)
    return [consistent, entropy, consistent - weight * entropy]


def test_golden_values_of_the_training_loss():
    anchors = torch.tensor([[2, 0, -1], [0, 1, 0], [0.5, 0.5, 3]], dtype=torch.float64)
    neighbours = torch.tensor([[1, 0, 0], [0, 2, 0], [0, 0, 1]], dtype=torch.float64)
    expected = [0.66542840, 1.08361030, -4.75262356]
    assert values(scan_loss(anchors, neighbours)) == pytest.approx(expected, abs=5e-7)  # float32 was printed


def test_golden_values_of_the_selection_loss():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.3, 0.7]], dtype=torch.float64)
    neighbours = torch.tensor([[0, 1], [1, 0], [2, 3], [3, 2]])
    expected = [0.34506661, 0.69189668, -0.34683007]
    found = neighbourhood_loss(probabilities.log(), neighbours, entropy_weight=1.0)
    assert values(found) == pytest.approx(expected, abs=5e-7)  # float32 was printed


def test_images_in_different_certain_clusters_cost_a_hundred():
    apart = torch.tensor([[1e3, 0.0], [0.0, 1e3]])
    assert consistency(apart, apart.flip(0)).item() == pytest.approx(100)
    assert consistency(apart, apart).item() == pytest.approx(0)
    neighbours = torch.tensor([[1, 0], [0, 1]])  # one in the other cluster, and itself
    assert neighbourhood_loss(apart, neighbours, 0.0).consistency.item() == pytest.approx(50)


@pytest.mark.parametrize("weight", [0.0, 2.0, 5.0])
def test_equals_equation_2_written_as_loops(weight):
    anchors, neighbours = logits(7, 4), logits(7, 4, seed=1)
    expected = slow_scan_loss(anchors.numpy(), neighbours.numpy(), weight)
    assert values(scan_loss(anchors, neighbours, weight)) == pytest.approx(expected, rel=1e-12)


def test_several_neighbours_are_averaged():
    anchors, neighbours = logits(5, 3), logits(4, 5, 3, seed=1)
    each = [scan_loss(anchors, column).total.item() for column in neighbours]
    assert scan_loss(anchors, neighbours).total.item() == pytest.approx(sum(each) / 4)


@pytest.mark.parametrize("images", [6, 600])
def test_the_selection_loss_is_the_training_loss_over_everything(images):
    outputs = logits(images, 3)
    companions = torch.randint(images, (images, 4), generator=torch.Generator().manual_seed(0))
    neighbours = outputs[companions].transpose(0, 1)
    expected = values(scan_loss(outputs, neighbours, 3.0))
    assert values(neighbourhood_loss(outputs, companions, 3.0)) == pytest.approx(expected, rel=1e-12)
    single = values(neighbourhood_loss(outputs.float(), companions, 3.0))
    assert single == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("prior", [None, [0.5, 0.3, 0.2]])
def test_gradients_equal_finite_differences(prior):
    shares = None if prior is None else torch.tensor(prior, dtype=torch.float64)
    inputs = logits(5, 3).requires_grad_(), logits(2, 5, 3, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda a, n: scan_loss(a, n, 5.0, shares).total, inputs)


def test_names_of_clusters_and_order_of_the_batch_do_not_matter():
    anchors, neighbours, prior = logits(6, 4), logits(6, 4, seed=1), torch.tensor([0.1, 0.2, 0.3, 0.4])
    renamed, shuffled = torch.tensor([2, 0, 3, 1]), torch.tensor([5, 3, 1, 0, 2, 4])
    expected = values(scan_loss(anchors, neighbours, 5.0, prior))
    one = scan_loss(anchors[:, renamed], neighbours[:, renamed], 5.0, prior[renamed])
    other = scan_loss(anchors[shuffled], neighbours[shuffled], 5.0, prior)
    assert values(one) == pytest.approx(expected)
    assert values(other) == pytest.approx(expected)
    assert values(scan_loss(anchors[:, renamed], neighbours))[0] != pytest.approx(expected[0], rel=1e-2)
    assert values(scan_loss(anchors[shuffled], neighbours))[0] != pytest.approx(expected[0], rel=1e-2)


def test_only_the_anchors_enter_the_entropy():
    anchors = logits(6, 4)
    one, other = (scan_loss(anchors, logits(6, 4, seed=seed)) for seed in (1, 2))
    assert one.entropy.item() == other.entropy.item()
    assert one.consistency.item() != other.consistency.item()


def test_the_uniform_prior_adds_a_constant():
    neighbours, uniform = logits(6, 4, seed=1), torch.full((4,), 0.25, dtype=torch.float64)
    for seed in (0, 2, 3):
        anchors = logits(6, 4, seed=seed)
        difference = scan_loss(anchors, neighbours, 5.0, uniform).total - scan_loss(anchors, neighbours).total
        assert difference.item() == pytest.approx(5 * math.log(4))


def test_a_prior_asks_for_its_own_shares():
    prior = torch.tensor([0.7, 0.2, 0.1], dtype=torch.float64)
    anchors = logits(50, 3).requires_grad_()
    optimiser = torch.optim.Adam([anchors], 0.1)
    for _ in range(200):
        optimiser.zero_grad()
        scan_loss(anchors, anchors, 5.0, prior).total.backward()
        optimiser.step()
    torch.testing.assert_close(mean_assignment(anchors.detach()), prior, atol=0.03, rtol=0)


def test_probabilities_are_never_computed_in_half_precision():
    outputs = logits(6, 4).to(torch.bfloat16)
    expected = scan_loss(outputs.double(), outputs.double()).total.item()
    found = scan_loss(outputs, outputs).total
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_one_entry_of_a_row_is_drawn_uniformly():
    rows = torch.arange(5).expand(20_000, 5)
    drawn = draw_columns(rows, 1, torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn[:, 0], minlength=5) / 20_000
    torch.testing.assert_close(shares, torch.full((5,), 0.2), atol=0.015, rtol=0)


def test_several_entries_of_a_row_are_different_ones():
    rows = 10 + torch.arange(5).expand(5000, 5)
    drawn = draw_columns(rows, 3, torch.Generator().manual_seed(0))
    assert drawn.shape == (5000, 3)
    assert (drawn.sort(dim=1).values.diff(dim=1) > 0).all()
    shares = torch.bincount(drawn.flatten() - 10, minlength=5) / 5000
    torch.testing.assert_close(shares, torch.full((5,), 0.6), atol=0.03, rtol=0)
    everything = draw_columns(rows, 5, torch.Generator())
    assert torch.equal(everything.sort(dim=1).values, rows)


def test_nearest_others_equal_a_search_by_hand():
    features = logits(40, 6).float()
    features[7] = 3 * features[8]  # same direction, another length
    found = nearest_others(features, 5)
    unit = features.numpy() / np.linalg.norm(features.numpy(), axis=1, keepdims=True)
    similarity = unit @ unit.T
    np.fill_diagonal(similarity, -2)
    assert (found.numpy() == np.argsort(-similarity, axis=1)[:, :5]).all()
    assert found[7, 0] == 8
    assert nearest_others(features[:3], 5).shape == (3, 2)
