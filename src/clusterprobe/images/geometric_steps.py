"""Geometric augmentation steps: each draws one 3 x 3 matrix per image.

A matrix maps coordinates of the image that comes out to coordinates of the image that goes in, both in [-1,
1] from edge to edge. Images that go through step A and then step B are sampled at A @ B.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_ATTEMPTS = 10


@dataclass(frozen=True)
class RandomResizedCrop:
    """A crop of random area and aspect, stretched to the whole image (Szegedy et al., arXiv 1409.4842).

    As in common practice ten proposals are drawn, the first that fits counts, and if none fits the largest
    central square is taken. Images are square; positions are continuous.
    """

    scale: Sequence[float] = (0.08, 1.0)
    ratio: Sequence[float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"scale must be two fractions of the area, smaller first, not {self.scale}")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            raise ValueError(f"ratio must be two positive numbers, smaller first, not {self.ratio}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: width, height (fractions of the side), centre x, centre y in [-1, 1]."""
        uniform = torch.rand(count, _ATTEMPTS, 2, generator=generator)
        area = self.scale[0] + (self.scale[1] - self.scale[0]) * uniform[..., 0]
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        ratio = torch.exp(low + (high - low) * uniform[..., 1])
        sides = torch.stack([torch.sqrt(area * ratio), torch.sqrt(area / ratio)], dim=-1)
        fits = (sides <= 1).all(dim=-1)
        first = fits.float().argmax(dim=1)
        chosen = sides[torch.arange(count), first]
        chosen = torch.where(fits.any(dim=1, keepdim=True), chosen, torch.ones(()))
        centre = (2 * torch.rand(count, 2, generator=generator) - 1) * (1 - chosen)
        return torch.cat([chosen, centre], dim=1)

    def matrix(self, drawn: Tensor) -> Tensor:
        """Matrices [B, 3, 3] of drawn parameters [B, 4]."""
        return _window(drawn)


@dataclass(frozen=True)
class Crop:
    """A square at a random place, stretched to the whole image; its side is one of `sides`, all equally
    likely, as fractions of the side of the image."""

    sides: Sequence[float]

    def __post_init__(self) -> None:
        if not self.sides or not all(0 < side <= 1 for side in self.sides):
            raise ValueError(f"sides must be fractions of the side of the image, not {self.sides}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: width, height (fractions of the side), centre x, centre y in [-1, 1]."""
        chosen = torch.tensor(self.sides)[torch.randint(len(self.sides), (count, 1), generator=generator)]
        centre = (2 * torch.rand(count, 2, generator=generator) - 1) * (1 - chosen)
        return torch.cat([chosen, chosen, centre], dim=1)

    def matrix(self, drawn: Tensor) -> Tensor:
        """Matrices [B, 3, 3] of drawn parameters [B, 4]."""
        return _window(drawn)


@dataclass(frozen=True)
class Flip:
    """Mirror left and right with probability `p`, and top and bottom with probability `vertical`."""

    p: float = 0.5
    vertical: float = 0.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: sign of x, sign of y."""
        uniform = torch.rand(count, 2, generator=generator)
        return 1 - 2 * (uniform < torch.tensor([self.p, self.vertical])).float()

    def matrix(self, drawn: Tensor) -> Tensor:
        """Matrices [B, 3, 3] of drawn parameters [B, 2]."""
        return torch.diag_embed(torch.cat([drawn, torch.ones(len(drawn), 1)], dim=1))


@dataclass(frozen=True)
class Affine:
    """Rotation, translation, scaling and shear about the centre; what comes from outside the image is black.

    Attributes:
        degrees: rotation is uniform in [-degrees, degrees].
        translate: shift along each axis, uniform in [-translate, translate] of the side.
        scale: magnification, uniform between the two numbers.
        shear: shear along each axis (tangent of the angle), uniform in [-shear, shear].
        p: probability that an image is changed at all.
    """

    degrees: float = 0.0
    translate: float = 0.0
    scale: Sequence[float] = (1.0, 1.0)
    shear: float = 0.0
    p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be two positive numbers, smaller first, not {self.scale}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: angle, shift x, shift y, magnification, shear x, shear y."""
        spread = torch.tensor(
            [math.radians(self.degrees), 2 * self.translate, 2 * self.translate, 1.0, self.shear, self.shear]
        )
        signed = 2 * torch.rand(count, 6, generator=generator) - 1
        drawn = signed * spread
        drawn[:, 3] = self.scale[0] + (self.scale[1] - self.scale[0]) * (signed[:, 3] + 1) / 2
        untouched = torch.tensor([0.0, 0.0, 0.0, 1.0, 0.0, 0.0])
        return torch.where(torch.rand(count, 1, generator=generator) < self.p, drawn, untouched)

    def matrix(self, drawn: Tensor) -> Tensor:
        """Matrices [B, 3, 3] of drawn parameters [B, 6]."""
        angle, magnification = drawn[:, 0], drawn[:, 3]
        cosine, sine = torch.cos(angle) / magnification, torch.sin(angle) / magnification
        rotation = torch.stack([cosine, sine, -sine, cosine], dim=1).view(-1, 2, 2)
        shear = torch.eye(2).repeat(len(drawn), 1, 1)
        shear[:, 0, 1], shear[:, 1, 0] = drawn[:, 4], drawn[:, 5]
        matrix = torch.eye(3).repeat(len(drawn), 1, 1)
        matrix[:, :2, :2] = rotation @ shear
        matrix[:, :2, 2] = drawn[:, 1:3]
        return matrix


def _window(drawn: Tensor) -> Tensor:
    """Matrices [B, 3, 3] of windows: width, height, centre x, centre y [B, 4]."""
    matrix = torch.eye(3).repeat(len(drawn), 1, 1)
    matrix[:, 0, 0], matrix[:, 1, 1] = drawn[:, 0], drawn[:, 1]
    matrix[:, :2, 2] = drawn[:, 2:]
    return matrix
