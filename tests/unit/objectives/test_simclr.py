from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.heads import build_head
from clusterprobe.objectives.simclr import make, nt_xent
from clusterprobe.train.objective import Batch, Networks, Setting


def embeddings(count: int = 5, width: int = 3, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(count, width, generator=generator).to(dtype) for _ in range(2)]


def slow_nt_xent(view1: np.ndarray, view2: np.ndarray, temperature: float, symmetric: bool) -> float:
    both = [row / np.linalg.norm(row) for row in [*view1, *view2]]
    count = len(view1)
    losses = []
    for i in range(2 * count if symmetric else count):
        partner = (i + count) % (2 * count)
        others = [math.exp(both[i] @ both[k] / temperature) for k in range(2 * count) if k != i]
        losses.append(-math.log(math.exp(both[i] @ both[partner] / temperature) / sum(others)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize(("temperature", "expected"), [(0.1, 0.00604490), (0.5, 0.62361580)])
def test_one_view_of_anchors_gives_the_values_of_the_reference_code_of_scan(temperature, expected):
    view1 = torch.tensor([[1, 0, 0.2], [0, 1, 0], [0, 0.2, 1]])
    view2 = torch.tensor([[0.9, 0.1, 0], [0.1, 1, 0.3], [0.3, 0, 1]])
    assert nt_xent(view1, view2, temperature, symmetric=False).item() == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_equals_equation_1_written_as_loops(symmetric, count):
    view1, view2 = embeddings(count)
    expected = slow_nt_xent(view1.numpy(), view2.numpy(), 0.3, symmetric)
    assert nt_xent(view1, view2, 0.3, symmetric).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("symmetric", [True, False])
def test_gradient_equals_finite_differences(symmetric):
    view1, view2 = embeddings()
    view1.requires_grad = True
    nt_xent(view1, view2, 0.5, symmetric).backward()
    step = 1e-5
    for index in np.ndindex(*view1.shape):
        values = []
        for sign in (1, -1):
            moved = view1.detach().numpy().astype(np.float64)
            moved[index] += sign * step
            values.append(slow_nt_xent(moved, view2.numpy().astype(np.float64), 0.5, symmetric))
        assert view1.grad[index].item() == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-5)


@pytest.mark.parametrize("symmetric", [True, False])
def test_order_of_the_batch_and_length_of_the_vectors_do_not_matter(symmetric):
    view1, view2 = embeddings()
    expected = nt_xent(view1, view2, 0.2, symmetric).item()
    order = torch.tensor([3, 1, 4, 0, 2])
    assert nt_xent(view1[order], 7 * view2[order], 0.2, symmetric).item() == pytest.approx(expected, rel=1e-5)
    assert nt_xent(view1[order], view2, 0.2, symmetric).item() != pytest.approx(expected, rel=1e-2)


def test_symmetric_form_does_not_care_which_view_is_first():
    view1, view2 = embeddings()
    assert nt_xent(view1, view2, 0.2).item() == pytest.approx(nt_xent(view2, view1, 0.2).item(), rel=1e-5)
    assert nt_xent(view1, view2, 0.2, False).item() != pytest.approx(
        nt_xent(view2, view1, 0.2, False).item(), rel=1e-3
    )


def test_objective_contrasts_two_views_through_body_and_head():
    torch.manual_seed(0)
    body = build("small-convnet", {"channels": 1, "widths": (4,)})
    head = build_head("linear", {"dimensions": 3}, 4)
    objective = make(Networks(body, {"0": head}), {"temperature": 0.5}, Setting(8, 4, 1, 0)).eval()
    first, second = torch.rand(2, 4, 1, 8, 8)
    indices = torch.arange(4)
    asked = objective.views(indices, torch.Generator())
    assert [view.augmentation for view in asked] == ["train", "train"]
    assert all(view.indices is indices for view in asked)
    loss = objective.loss(Batch(0, 0, indices, (first, second)))
    assert loss is not None
    expected = nt_xent(head(body(first)), head(body(second)), 0.5)
    assert loss.value.item() == pytest.approx(expected.item(), rel=1e-5)


def test_temperature_must_be_positive():
    with pytest.raises(UserError, match="objective simclr: temperature must be positive"):
        make(Networks(build("pixels", {"size": 8})), {"temperature": 0}, Setting(8, 4, 1, 0))
