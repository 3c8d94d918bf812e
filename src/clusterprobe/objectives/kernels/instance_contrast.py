"""Losses that pick one image out of many: against a queue of keys, and by noise-contrastive estimation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_EPS = 1e-7


def info_nce(queries: Tensor, keys: Tensor, negatives: Tensor, temperature: float) -> Tensor:
    """Cross entropy of picking the key among the key and the negatives (CPC, arXiv 1807.03748, equation 4).

        l_i = -log( exp(q_i k_i / t) / (exp(q_i k_i / t) + sum_j exp(q_i n_j / t)) )

    Args:
        queries, keys: unit vectors [b, D], row by row of the same images.
        negatives: unit vectors [M, D], the same for all queries.
        temperature: t.

    Returns:
        l [b].
    """
    positive = (queries * keys).sum(dim=1, keepdim=True)
    logits = torch.cat([positive, queries @ negatives.T], dim=1) / temperature
    return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.int64), reduction="none")


def nce(logits: Tensor, images: int, normaliser: Tensor) -> Tensor:
    """Noise-contrastive estimation with a fixed normaliser (NPID, arXiv 1805.01978, equations 5 to 8).

    With h = p / (p + M / N) and p = exp(logit) / Z, the loss is -log h of the image itself minus the sum of
    log(1 - h) of M images drawn uniformly among N.

    Args:
        logits: similarities over temperature [b, 1 + M], the image itself first.
        images: N.
        normaliser: Z, a scalar; see `fixed_normaliser`.

    Returns:
        Loss [b].
    """
    noise = (logits.shape[1] - 1) / images
    likely = logits.exp() / normaliser
    itself = torch.log(likely[:, 0] / (likely[:, 0] + noise + _EPS))
    others = torch.log(noise / (likely[:, 1:] + noise + _EPS))
    return -itself - others.sum(dim=1)


def fixed_normaliser(mean_exponential: Tensor, images: int) -> Tensor:
    """Z of equation 8, estimated once: N times the mean of exp(logit) over a first batch."""
    return images * mean_exponential
