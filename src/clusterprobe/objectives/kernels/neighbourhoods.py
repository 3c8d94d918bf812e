"""Neighbour sets during training: draw from them, or find them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_QUERIES = 1024


def draw_columns(rows: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Draw `count` different entries of each row [B, K], uniformly: [B, count]."""
    if count == 1:
        chosen = torch.randint(rows.shape[1], (len(rows), 1), generator=generator)
    else:
        chosen = torch.rand(rows.shape, generator=generator).argsort(dim=1)[:, :count]
    return rows.gather(1, chosen)


def nearest_others(features: Tensor, k: int) -> Tensor:
    """Find the k nearest other rows [N, k] of each row of features [N, D] by cosine; fewer if N <= k.

    It needs torch alone, for sets of the size of an evaluation split; training sets are mined with
    `clusterprobe.cluster.neighbours`.
    """
    unit = F.normalize(features.float(), dim=1)
    found = []
    for first in range(0, len(unit), _QUERIES):
        similarity = unit[first : first + _QUERIES] @ unit.T
        own = torch.arange(len(similarity), device=unit.device)
        similarity[own, first + own] = -torch.inf
        found.append(similarity.topk(min(k, len(unit) - 1), dim=1).indices)
    return torch.cat(found)
