"""Projection heads: small networks on top of a body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from clusterprobe.config.errors import UserError, nearest


class Head(nn.Sequential):
    """Layers that map features [B, D] to [B, width]; unit vectors if `normalise`."""

    def __init__(self, layers: list[nn.Module], width: int, normalise: bool) -> None:
        super().__init__(*layers)
        self.width = width
        self.normalise = normalise

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        for layer in self:
            features = layer(features)
        return functional.normalize(features, dim=1) if self.normalise else features


class NormLinear(nn.Module):
    """Cosines [B, dimensions] of features [B, width] with directions that train (CLD, arXiv 2008.03813)."""

    def __init__(self, width: int, dimensions: int) -> None:
        super().__init__()
        directions = torch.empty(dimensions, width).uniform_(-1, 1)
        self.weight = nn.Parameter(functional.normalize(directions, dim=1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        directions = functional.normalize(self.weight, dim=1)
        return functional.linear(functional.normalize(features, dim=1), directions)


class NearestMean(Head):
    """A linear layer onto the unit sphere, where every cluster has a mean that does not train.

    forward gives the cosine with each mean [B, K], highest where the mean is nearest; `embed` gives the point
    on the sphere [B, D] (MMDC, arXiv 1912.02678). The means are the first K axes until they are set.
    """

    means: torch.Tensor

    def __init__(self, width: int, dimensions: int = 128, embedding: int | None = None) -> None:
        linear = nn.Linear(width, embedding or dimensions)
        nn.init.normal_(linear.weight, std=0.01)
        nn.init.zeros_(linear.bias)
        super().__init__([linear], dimensions, normalise=True)
        self.register_buffer("means", torch.eye(dimensions, embedding or dimensions))

    @property
    def embedding(self) -> int:
        """The number D of dimensions of the sphere's space."""
        return self.means.shape[1]

    def embed(self, features: torch.Tensor) -> torch.Tensor:
        """Return features [B, width] as points on the sphere, float32 [B, D]."""
        return functional.normalize(self[0](features).float(), dim=1)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.embed(features) @ self.means.T


def build_head(kind: str, options: Mapping[str, Any], width: int) -> Head:
    """Return the untrained head `kind` for features [B, width]; raises UserError for an unknown name.

    linear: one layer. mlp: Linear(width, hidden) - ReLU - Linear(hidden, dimensions), with the defaults of
    SimCLR (hidden = width, dimensions = 128); `batch_norm` puts BatchNorm before the ReLU, as BYOL does.
    norm-linear, norm-mlp: the same with `NormLinear` as the last layer, onto the unit sphere (CLD).
    nearest-mean: `NearestMean` with `dimensions` clusters on a sphere in `embedding` dimensions (as many).
    """
    if kind not in _KINDS:
        raise UserError(f"unknown projection head {kind!r}: {nearest(kind, _KINDS)}")
    try:
        return _KINDS[kind](width, **options)
    except TypeError as error:
        raise UserError(
            f"projection head {kind!r}: the options {dict(options)} do not fit: {error}"
        ) from error


def _linear(width: int, dimensions: int = 128, bias: bool = True, normalise: bool = False) -> Head:
    return Head([nn.Linear(width, dimensions, bias=bias)], dimensions, normalise)


def _mlp(
    width: int,
    hidden: int | None = None,
    dimensions: int = 128,
    batch_norm: bool = False,
    normalise: bool = False,
) -> Head:
    hidden = hidden or width
    first: list[nn.Module] = [nn.Linear(width, hidden, bias=not batch_norm)]
    if batch_norm:
        first.append(nn.BatchNorm1d(hidden))
    return Head([*first, nn.ReLU(inplace=True), nn.Linear(hidden, dimensions)], dimensions, normalise)


def _norm_linear(width: int, dimensions: int = 128) -> Head:
    return Head([NormLinear(width, dimensions)], dimensions, normalise=True)


def _norm_mlp(width: int, hidden: int | None = None, dimensions: int = 128) -> Head:
    hidden = hidden or width
    layers = [nn.Linear(width, hidden), nn.ReLU(inplace=True), NormLinear(hidden, dimensions)]
    return Head(layers, dimensions, normalise=True)


_KINDS: dict[str, Callable[..., Head]] = {
    "linear": _linear,
    "mlp": _mlp,
    "norm-linear": _norm_linear,
    "norm-mlp": _norm_mlp,
    "nearest-mean": NearestMean,
}
