"""Which image of a batch gets which of the targets that the batch owns."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

DISTANCES = ("squared", "plain")


def matching_costs(outputs: Tensor, targets: Tensor, distance: str = "squared") -> Tensor:
    """Return the distance of each output [B, D] from each target [B, D]: float64 [B, B] on the CPU.

    squared: the square of the Euclidean distance, which is also what the network goes down on. plain: the
    Euclidean distance itself.
    """
    away = torch.cdist(
        outputs.double().cpu(), targets.double().cpu(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    return away.square() if distance == "squared" else away


def match(outputs: Tensor, targets: Tensor, distance: str = "squared") -> Tensor:
    """Return the permutation int64 [B] that gives output i the target `match[i]` at the lowest total cost.

    It is exact, O(B^3): the targets stay the same as a multiset and the cost never grows.
    """
    _, columns = linear_sum_assignment(matching_costs(outputs, targets, distance).numpy())
    return torch.from_numpy(columns).to(torch.int64)
