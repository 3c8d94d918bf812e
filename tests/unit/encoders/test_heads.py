"""Projection heads by name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.heads import build_head


def test_mlp_defaults_to_the_head_of_simclr() -> None:
    head = build_head("mlp", {}, 32)
    assert {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()} == {
        "0.weight": (32, 32),
        "0.bias": (32,),
        "2.weight": (128, 32),
        "2.bias": (128,),
    }
    assert head.width == 128


def test_mlp_with_batch_norm_normalises_before_the_relu() -> None:
    head = build_head("mlp", {"hidden": 64, "dimensions": 8, "batch_norm": True}, 16)
    assert [type(layer).__name__ for layer in head] == ["Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert head(torch.randn(4, 16)).shape == (4, 8)


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_normalised_heads_give_unit_vectors(kind: str) -> None:
    features = torch.randn(5, 16)
    plain = build_head(kind, {"dimensions": 4}, 16)
    unit = build_head(kind, {"dimensions": 4, "normalise": True}, 16)
    unit.load_state_dict(plain.state_dict())
    expected = plain(features) / plain(features).norm(dim=1, keepdim=True)
    torch.testing.assert_close(unit(features), expected)


@pytest.mark.parametrize("kind", ["norm-linear", "norm-mlp"])
def test_norm_heads_give_unit_vectors_of_cosines_with_directions(kind: str) -> None:
    torch.manual_seed(0)
    head = build_head(kind, {"dimensions": 4}, 16)
    assert {name for name, _ in head.named_parameters()} == (
        {"0.weight"} if kind == "norm-linear" else {"0.weight", "0.bias", "2.weight"}
    )
    torch.testing.assert_close(head[-1].weight.norm(dim=1), torch.ones(4))
    features = torch.randn(5, 16)
    inner = features if kind == "norm-linear" else torch.relu(features @ head[0].weight.T + head[0].bias)
    with torch.no_grad():
        head[-1].weight *= torch.tensor([[1.0], [2], [3], [4]])  # lengths do not matter
    cosines = torch.stack(
        [torch.nn.functional.cosine_similarity(inner, row[None]) for row in head[-1].weight], dim=1
    )
    torch.testing.assert_close(head(features), cosines / cosines.norm(dim=1, keepdim=True))
    assert head.width == 4


def test_nearest_mean_gives_cosines_with_fixed_means() -> None:
    head = build_head("nearest-mean", {"dimensions": 4, "embedding": 7}, 16)
    assert (head.width, head.embedding) == (4, 7)
    assert {name: tuple(tensor.shape) for name, tensor in head.state_dict().items()} == {
        "0.weight": (7, 16),
        "0.bias": (7,),
        "means": (4, 7),
    }
    assert {name for name, _ in head.named_parameters()} == {"0.weight", "0.bias"}
    features = torch.randn(5, 16)
    points = head.embed(features)
    torch.testing.assert_close(points.norm(dim=1), torch.ones(5))
    torch.testing.assert_close(head(features), points[:, :4])  # the means are the first axes
    assert build_head("nearest-mean", {"dimensions": 4}, 16).embedding == 4


@pytest.mark.parametrize(
    ("kind", "options", "message"), [("mpl", {}, "did you mean 'mlp'"), ("linear", {"hidden": 3}, "'hidden'")]
)
def test_unknown_names_and_options_are_refused(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build_head(kind, options, 16)
