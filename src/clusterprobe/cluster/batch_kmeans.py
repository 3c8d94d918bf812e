"""k-means inside a training batch, on its device: small, without restarts, and with gradients if wanted."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class BatchClusters:
    """Groups of a batch: `labels` int64 [B], `centres` [K, D], and `sizes` int64 [K], 0 for empty ones.

    Every centre is the mean of the points with its label, on the sphere if spherical.
    """

    labels: Tensor
    centres: Tensor
    sizes: Tensor


def batch_kmeans(
    points: Tensor, groups: int, iterations: int = 5, *, spherical: bool = True
) -> BatchClusters:
    """Group unit vectors [B, D] by Lloyd's algorithm; the first K points are the first centres.

    With as many groups as points, or more, every point is a group of its own.

    Args:
        points: unit vectors; of a shuffled batch the first are as good as any. Gradients flow from the
            centres to their points, through the last means.
        groups: K.
        iterations: rounds of assigning points to the nearest centre and taking means.
        spherical: centres are scaled to unit length; or else they are plain means, nearest in Euclidean
            distance, as in the reference code of CLD (arXiv 2008.03813).

    Returns:
        Labels, centres and sizes; the centre of an empty group is zero.
    """
    with torch.no_grad():
        labels = _label(points.detach(), groups, iterations, spherical)
    sizes = torch.bincount(labels, minlength=groups)
    return BatchClusters(labels, _means(points, labels, sizes, spherical), sizes)


def _label(points: Tensor, groups: int, iterations: int, spherical: bool) -> Tensor:
    if groups >= len(points):
        return torch.arange(len(points), device=points.device)
    centres = points[:groups]
    for _ in range(iterations - 1):
        labels = _nearest(points, centres, spherical)
        sizes = torch.bincount(labels, minlength=groups)
        means = _means(points, labels, sizes, spherical)
        # On the sphere an empty group stays where it was: zero is no place on it.
        centres = torch.where((sizes > 0)[:, None], means, centres) if spherical else means
    return _nearest(points, centres, spherical)


def _nearest(points: Tensor, centres: Tensor, spherical: bool) -> Tensor:
    similarity = points @ centres.T
    return (similarity if spherical else similarity - centres.square().sum(dim=1) / 2).argmax(dim=1)


def _means(points: Tensor, labels: Tensor, sizes: Tensor, spherical: bool) -> Tensor:
    members = F.one_hot(labels, len(sizes)).to(points.dtype)  # a product adds up in a fixed order
    means = members.T @ points / sizes.clamp(min=1)[:, None]
    return F.normalize(means, dim=1) if spherical else means
