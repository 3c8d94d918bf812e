"""Random augmentations of image batches: parameters are drawn per image, the work is done per batch.

Drawing and applying are two calls. `draw` always runs on the CPU from the generator it is given, so the same
generator gives the same views on every device, and a process that holds only a part of a batch can draw for
the whole batch and slice. Neighbouring geometric steps (crop, flip, affine) become one matrix per image and
one bilinear `grid_sample`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.colour_steps import (
    ColourJitter,
    Cutout,
    GaussianBlur,
    GaussianNoise,
    Grayscale,
    Solarise,
)
from clusterprobe.images.geometric_steps import Affine, Crop, Flip, RandomResizedCrop
from clusterprobe.images.strong_steps import Strong

GeometricStep = RandomResizedCrop | Crop | Flip | Affine
ColourStep = ColourJitter | Grayscale | GaussianBlur | GaussianNoise | Solarise | Cutout | Strong
Step = GeometricStep | ColourStep
Draws = tuple[Tensor, ...]

STEPS: dict[str, type[Step]] = {
    "random-resized-crop": RandomResizedCrop,
    "crop": Crop,
    "flip": Flip,
    "affine": Affine,
    "colour-jitter": ColourJitter,
    "grayscale": Grayscale,
    "gaussian-blur": GaussianBlur,
    "gaussian-noise": GaussianNoise,
    "solarise": Solarise,
    "cutout": Cutout,
    "strong": Strong,
}


class Augmentation:
    """A list of steps, applied in order to float images in [0, 1].

    Args:
        steps: one mapping per step, `{"name": "random-resized-crop", "scale": [0.2, 1.0]}`; the other keys
            are the fields of the step's class.
        size: side of the images that come out; None keeps the side of those that go in.
        mean: colour that `cutout` paints, one value per channel (0 after normalisation).

    Raises:
        UserError: unknown step or option, or a value out of range.

    Example:
        >>> augmentation = Augmentation([{"name": "flip", "p": 0.5}])
        >>> augmentation(torch.rand(4, 3, 8, 8), torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 8, 8])
    """

    def __init__(
        self, steps: Sequence[Mapping[str, Any]], *, size: int | None = None, mean: Sequence[float] = (0.0,)
    ) -> None:
        self.steps = tuple(make_step(step) for step in steps)
        self.size = size
        self.mean = tuple(mean)

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Draws:
        """Draw the parameters of `count` images of shape (channels, side, side): per step a CPU tensor
        [count, ...]."""
        channels, side, _ = shape
        return tuple(
            step.draw(count, generator)
            if not isinstance(step, GaussianNoise)
            else step.draw_noise(count, (channels, self.size or side, self.size or side), generator)
            for step in self.steps
        )

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Apply drawn parameters to images [B, C, S, S] in [0, 1]: [B, C, size, size] on the same device."""
        size = self.size or images.shape[-1]
        pairs = zip(self.steps, draws, strict=True)
        for geometric, run in itertools.groupby(pairs, key=lambda pair: isinstance(pair[0], GeometricStep)):
            if geometric:
                images = _warp(images, list(run), size)
                continue
            for step, drawn in run:
                assert not isinstance(step, GeometricStep)
                images = step.apply(_resize(images, size), drawn.to(images.device), self.mean)
        return _resize(images, size)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Draw and apply in one call: images [B, C, S, S] in [0, 1]."""
        channels, side = images.shape[1], images.shape[-1]
        return self.apply(images, self.draw(len(images), (channels, side, side), generator))


class CentreCrop(Augmentation):
    """No augmentation: the centre of the images, as preprocessing for evaluation cuts it out.

    Args:
        size: side of the centre; images must not be smaller.
    """

    def __init__(self, size: int) -> None:
        super().__init__([], size=size)
        self._side = size

    def apply(self, images: Tensor, draws: Draws) -> Tensor:
        """Cut the centre [B, C, size, size] out of images [B, C, S, S]."""
        first = round((images.shape[-1] - self._side) / 2)
        return images[..., first : first + self._side, first : first + self._side]


def make_step(description: Mapping[str, Any]) -> Step:
    """Turn `{"name": ..., option: value}` into a step.

    Raises:
        UserError: the name or an option is unknown, or a value is out of range.
    """
    options = dict(description)
    name = options.pop("name", None)
    if name not in STEPS:
        raise UserError(f"augmentation: there is no step {name!r}; {nearest(str(name), STEPS)}")
    known = {field.name for field in dataclasses.fields(STEPS[name])}
    for option in options.keys() - known:
        raise UserError(f"augmentation: step {name!r} has no option {option!r}; {nearest(option, known)}")
    try:
        return STEPS[name](**options)
    except (TypeError, ValueError) as error:
        raise UserError(f"augmentation: step {name!r}: {error}") from error


def _warp(images: Tensor, run: Sequence[tuple[Step, Tensor]], size: int) -> Tensor:
    """Resample images [B, C, S, S] once through the product of the matrices of a run of geometric steps."""
    matrix = torch.eye(3).expand(len(images), 3, 3)
    for step, drawn in run:
        assert isinstance(step, GeometricStep)
        matrix = matrix @ step.matrix(drawn)
    shape = [len(images), images.shape[1], size, size]
    grid = F.affine_grid(matrix[:, :2].to(images.device, images.dtype), shape, align_corners=False)
    warped = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if any(isinstance(step, Affine) for step, _ in run):
        warped = warped * (grid.abs().amax(dim=-1) <= 1 + 1e-5)[:, None]
    return warped


def _resize(images: Tensor, size: int) -> Tensor:
    if images.shape[-1] == size:
        return images
    return F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=True)
