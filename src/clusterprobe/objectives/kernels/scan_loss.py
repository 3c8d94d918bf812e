"""The loss of SCAN's clustering step (arXiv 2005.12320, equation 2) on logits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

_FLOOR = -100.0  # of a logarithm, as in binary cross entropy
_SMALLEST_SHARE = 1e-8
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class ScanTerms:
    """What is minimised, and the two terms that it is made of."""

    total: Tensor
    consistency: Tensor
    entropy: Tensor


def consistency(anchors: Tensor, neighbours: Tensor) -> Tensor:
    """Mean of -log <p, q>: how far images and their neighbours are from one and the same certain cluster.

    Args:
        anchors: logits [..., C] of p.
        neighbours: logits [..., C] of q, of the same shape or one that broadcasts.
    """
    agreement = torch.logsumexp(_log_softmax(anchors) + _log_softmax(neighbours), dim=-1)
    return -agreement.clamp(min=_FLOOR).mean()


def mean_assignment(logits: Tensor) -> Tensor:
    """Share of the images [C] that each cluster gets: the mean of the probabilities over logits [B, C]."""
    return _log_softmax(logits).exp().mean(dim=0).clamp(min=_SMALLEST_SHARE)


def scan_loss(
    anchors: Tensor, neighbours: Tensor, entropy_weight: float = 5.0, prior: Tensor | None = None
) -> ScanTerms:
    """Consistency of neighbours, less the weighted entropy of the mean assignment of the anchors.

    With a prior r, the Kullback-Leibler divergence of the mean assignment from it takes the place of the
    negative entropy; for the uniform prior it is log(C) - entropy, so that only a constant is added:

        L = -mean log <p, q> + w sum_c m_c log(m_c / r_c),   m = mean of p

    Args:
        anchors: logits [B, C].
        neighbours: logits [B, C], or [M, B, C] for M neighbours of every anchor, which are averaged over.
        entropy_weight: w.
        prior: shares [C], positive, sum 1; None takes the negative entropy, which is the paper's loss.

    Example:
        >>> scan_loss(torch.eye(2), torch.eye(2)).total
        tensor(-2.9656)
    """
    consistent = consistency(anchors, neighbours)
    return _with_balance(consistent, mean_assignment(anchors), entropy_weight, prior)


def neighbourhood_loss(
    logits: Tensor, companions: Tensor, entropy_weight: float, prior: Tensor | None = None
) -> ScanTerms:
    """The same loss over a whole set and all neighbours, to choose among heads without labels.

    It is measured, not minimised: the probabilities themselves are multiplied, which is many times faster.

    Args:
        logits: of all images [N, C].
        companions: rows of the neighbours of each image [N, K].
        entropy_weight, prior: as in `scan_loss`.
    """
    probabilities = _log_softmax(logits).exp()
    total = torch.zeros((), dtype=torch.float64, device=logits.device)
    blocks = (torch.split(each, _ROWS_AT_ONCE) for each in (probabilities, companions))
    for own, rows in zip(*blocks, strict=True):
        agreement = (own[:, None] * F.embedding(rows, probabilities)).sum(dim=2)
        total += agreement.log().clamp(min=_FLOOR).sum(dtype=torch.float64)
    consistent = (-total / companions.numel()).to(probabilities.dtype)
    return _with_balance(consistent, mean_assignment(logits), entropy_weight, prior)


def _with_balance(consistent: Tensor, shares: Tensor, weight: float, prior: Tensor | None) -> ScanTerms:
    entropy = -(shares * shares.log()).sum()
    imbalance = -entropy if prior is None else -entropy - (shares * prior.log()).sum()
    return ScanTerms(consistent + weight * imbalance, consistent, entropy)


def _log_softmax(logits: Tensor) -> Tensor:
    """In single precision at least, whatever autocast says."""
    return torch.log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))
