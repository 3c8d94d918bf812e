"""Augmentation steps that change pixel values in place: colour, blur, noise and holes.

Every step draws one row of parameters per image on the CPU and applies them to images [B, C, S, S] in [0, 1].
`mean` is the colour that is zero after normalisation; only `Cutout` looks at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class ColourJitter:
    """Brightness, contrast, saturation and hue, in this order, with probability `p` (SimCLR, arXiv
    2002.05709).

    The first three are factors uniform in [max(0, 1 - x), 1 + x], hue is a turn of the colour circle uniform
    in [-hue, hue]. Images of one channel have no saturation and no hue.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    p: float = 1.0

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: factors of brightness, contrast and saturation, turn of the hue."""
        strength = torch.tensor([self.brightness, self.contrast, self.saturation])
        low = (1 - strength).clamp(min=0)
        uniform = torch.rand(count, 4, generator=generator)
        factors = low + (1 + strength - low) * uniform[:, :3]
        drawn = torch.cat([factors, self.hue * (2 * uniform[:, 3:] - 1)], dim=1)
        untouched = torch.tensor([1.0, 1.0, 1.0, 0.0])
        return torch.where(torch.rand(count, 1, generator=generator) < self.p, drawn, untouched)

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 4]."""
        brightness, contrast, saturation, hue = drawn[:, :, None, None, None].unbind(dim=1)
        if self.brightness:
            images = (images * brightness).clamp(0, 1)
        if self.contrast:
            grey = _grey(images).mean(dim=(1, 2, 3), keepdim=True)
            images = torch.lerp(grey, images, contrast).clamp(0, 1)
        if self.saturation and images.shape[1] == 3:
            images = torch.lerp(_grey(images), images, saturation).clamp(0, 1)
        if self.hue and images.shape[1] == 3:
            images = torch.where(hue == 0, images, turn_hue(images, hue[:, 0]))
        return images


@dataclass(frozen=True)
class Grayscale:
    """Take the colour out with probability `p` (ITU-R 601 luma); the number of channels stays."""

    p: float = 0.2

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """One column: 1 for images that lose their colour."""
        return (torch.rand(count, 1, generator=generator) < self.p).float()

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 1]."""
        return torch.where(drawn[:, :, None, None] > 0, _grey(images), images)


@dataclass(frozen=True)
class GaussianBlur:
    """Blur with a Gaussian of its own width per image, with probability `p` (SimCLR, appendix A).

    Attributes:
        sigma: standard deviation in pixels, uniform between the two numbers.
        kernel: side of the kernel in pixels; None takes the odd number next to a tenth of the image's side.
    """

    sigma: Sequence[float] = (0.1, 2.0)
    kernel: int | None = None
    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"sigma must be two positive numbers, smaller first, not {self.sigma}")
        if self.kernel is not None and (self.kernel < 1 or self.kernel % 2 == 0):
            raise ValueError(f"kernel must be an odd number of pixels, not {self.kernel}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """One column: the standard deviation, 0 for images that stay sharp."""
        uniform = torch.rand(count, 2, generator=generator)
        sigma = self.sigma[0] + (self.sigma[1] - self.sigma[0]) * uniform[:, :1]
        return torch.where(uniform[:, 1:] < self.p, sigma, torch.zeros(()))

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 1]: two one-dimensional convolutions, one kernel per image."""
        count, channels, side, _ = images.shape
        radius = (self.kernel or max(3, side // 10)) // 2
        offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=images.dtype)
        weights = torch.softmax(-0.5 * (offsets / drawn.clamp(min=1e-3)) ** 2, dim=1)
        weights = weights.repeat_interleave(channels, dim=0)
        planes = F.pad(images, [radius] * 4, mode="reflect").view(1, count * channels, side + 2 * radius, -1)
        planes = F.conv2d(planes, weights[:, None, None, :], groups=count * channels)
        planes = F.conv2d(planes, weights[:, None, :, None], groups=count * channels)
        return planes.view_as(images)


@dataclass(frozen=True)
class GaussianNoise:
    """Add independent normal noise of standard deviation `sigma` to every pixel."""

    sigma: float = 0.05

    def draw_noise(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
        """The noise itself [count, C, S, S]."""
        return self.sigma * torch.randn(count, *shape, generator=generator)

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Add drawn noise [B, C, S, S]."""
        return (images + drawn).clamp(0, 1)


@dataclass(frozen=True)
class Solarise:
    """Invert the pixels above `threshold` with probability `p` (BYOL, arXiv 2006.07733, appendix B)."""

    p: float = 0.2
    threshold: float = 0.5

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """One column: 1 for images that are solarised."""
        return (torch.rand(count, 1, generator=generator) < self.p).float()

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 1]."""
        changed = (drawn[:, :, None, None] > 0) & (images >= self.threshold)
        return torch.where(changed, 1 - images, images)


@dataclass(frozen=True)
class Cutout:
    """Paint one square hole in the mean colour (DeVries and Taylor, arXiv 1708.04552, as used by SCAN).

    L is uniform in 1 .. `maximum` pixels, the side is 2 (L // 2), the centre is a uniform pixel, and what
    lies outside the image is cut off: about one hole in `maximum` is empty.
    """

    maximum: int = 16

    def __post_init__(self) -> None:
        if self.maximum < 1:
            raise ValueError(f"maximum must be at least one pixel, not {self.maximum}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: half the side in pixels, centre x and y as fractions of the image."""
        uniform = torch.rand(count, 3, generator=generator)
        half = torch.floor(torch.floor(1 + self.maximum * uniform[:, :1]).clamp(max=self.maximum) / 2)
        return torch.cat([half, uniform[:, 1:]], dim=1)

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 3]."""
        side = images.shape[-1]
        half, centre = drawn[:, :1], torch.floor(drawn[:, 1:] * side)
        pixels = torch.arange(side, device=images.device)
        covered_x = (pixels >= centre[:, :1] - half) & (pixels < centre[:, :1] + half)
        covered_y = (pixels >= centre[:, 1:] - half) & (pixels < centre[:, 1:] + half)
        hole = (covered_y[:, :, None] & covered_x[:, None, :])[:, None]
        colour = torch.tensor(mean, device=images.device, dtype=images.dtype).view(1, -1, 1, 1)
        return torch.where(hole, colour, images)


def turn_hue(images: Tensor, turn: Tensor) -> Tensor:
    """Turn the hue of RGB images [B, 3, H, W] by `turn` [B, 1, 1] of a full circle, through HSV and back."""
    value, low = images.amax(dim=1), images.amin(dim=1)
    chroma = value - low
    red, green, blue = images.unbind(dim=1)
    safe = torch.where(chroma > 0, chroma, torch.ones_like(chroma))
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = sixth + 6 * turn
    channels = []
    for offset in (5, 3, 1):
        position = torch.remainder(offset + sixth, 6)
        channels.append(value - chroma * torch.minimum(position, 4 - position).clamp(0, 1))
    return torch.stack(channels, dim=1)


def _grey(images: Tensor) -> Tensor:
    """Luma [B, 1, H, W] of images with three channels; other images are averaged over their channels."""
    if images.shape[1] != 3:
        return images.mean(dim=1, keepdim=True)
    red, green, blue = torch.split(images, 1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue
