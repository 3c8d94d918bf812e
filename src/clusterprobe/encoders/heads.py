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


def build_head(kind: str, options: Mapping[str, Any], width: int) -> Head:
    """Return the untrained head `kind` for features [B, width]; raises UserError for an unknown name.

    linear: one layer. mlp: Linear(width, hidden) - ReLU - Linear(hidden, dimensions), with the defaults of
    SimCLR (hidden = width, dimensions = 128); `batch_norm` puts BatchNorm before the ReLU, as BYOL does.
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


_KINDS: dict[str, Callable[..., Head]] = {"linear": _linear, "mlp": _mlp}
