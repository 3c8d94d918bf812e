"""Target points on the unit sphere: a Gaussian mixture, or no structure at all.

Shiran & Weinshall, arXiv 1912.02678 (MMDC); Bojanowski & Joulin, arXiv 1704.05310 (noise as targets).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MEANS = ("one-hot", "random")
SIZES = ("balanced", "multinomial")


def draw_means(kind: str, count: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Return the means of the components [count, dimensions], float32 of unit length.

    one-hot: the first `count` axes. random: drawn uniformly from a cube about the origin, then projected.

    Raises:
        ValueError: there are fewer dimensions than one-hot means.
    """
    if kind == "random":
        return F.normalize(2 * torch.rand(count, dimensions, generator=generator) - 1, dim=1)
    if dimensions < count:
        raise ValueError(f"{count} one-hot means need as many dimensions, not {dimensions}")
    return torch.eye(count, dimensions)


def draw_components(images: int, components: int, sizes: str, generator: torch.Generator) -> Tensor:
    """Return the component of every target, int64 [images], in random order.

    balanced: sizes that differ by one at most; which are larger is random. multinomial: every target draws
    its own, as the paper and its code do; its standard deviation is that of sqrt(images / components).
    """
    if sizes == "multinomial":
        return torch.randint(components, (images,), generator=generator)
    first = torch.randperm(components, generator=generator)
    return first[torch.randperm(images, generator=generator) % components]


def draw_points(means: Tensor, components: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Return one point [N, D] of each Gaussian N(means[components], sigma^2 I), projected to the sphere.

    Args:
        means: [K, D].
        components: int64 [N].
        sigma: standard deviation along each axis.
    """
    noise = torch.randn(len(components), means.shape[1], generator=generator)
    return F.normalize(means[components] + sigma * noise, dim=1)


def draw_uniform(count: int, dimensions: int, generator: torch.Generator) -> Tensor:
    """Return points [count, dimensions], spread uniformly over the sphere."""
    return F.normalize(torch.randn(count, dimensions, generator=generator), dim=1)
