"""TEMI's loss: pointwise mutual information of neighbours, weighted by how surely they belong together."""

from __future__ import annotations

import torch
from torch import Tensor


def pair_weights(first: Tensor, second: Tensor) -> Tensor:
    """Return [B]: the mean over H heads of sum_c q(c|x) q(c|x') of teachers' probabilities [H, B, K]."""
    return (first * second).sum(dim=2).mean(dim=0)


def weighted_information(
    students: Tensor, teachers: Tensor, share: Tensor, weights: Tensor, beta: float
) -> Tensor:
    """Return the loss of each head [H]: -w log sum_c (q_s(c|x) q_t(c|x'))^beta / q_t(c), mean over pairs.

    `students` and `teachers` [H, B, K] are probabilities of the two images of each pair, `share` [H, K]
    those of the clusters, `weights` [B]. Adaloglou et al., BMVC 2023, arXiv 2303.17896.
    """
    joint = (students * teachers).clamp_min(torch.finfo(students.dtype).tiny) ** beta
    information = (joint / share[:, None]).sum(dim=2).log()
    return -(weights * information).mean(dim=1)
