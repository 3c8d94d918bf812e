"""The strong augmentation of SCAN (arXiv 2005.12320, table S2): per image a few of fourteen operations.

It is RandAugment (arXiv 1909.13719) with a random strength for every operation and image. The operations are
those of Pillow, on 8-bit levels: functions of images uint8 [B, C, S, S] and one value per image [B] that work
on any device. Images of one channel are grey.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clusterprobe.config.errors import nearest

_LEVELS = 256
_FIXED = 65536  # Pillow resamples in fixed-point numbers with 16 binary places


@dataclass(frozen=True)
class Operation:
    """A change of images uint8 [B, C, S, S], each with a value of its own, uniform between `low` and `high`.

    Where 0 lies between the two, it is no change.
    """

    low: float
    high: float
    apply: Callable[[Tensor, Tensor], Tensor]


def identity(levels: Tensor, values: Tensor) -> Tensor:
    """No change."""
    return levels


def autocontrast(levels: Tensor, values: Tensor) -> Tensor:
    """Stretch every channel, so that its darkest level becomes 0 and its brightest 255."""
    flat = levels.flatten(2)
    low, high = (bound.unsqueeze(2).double() for bound in (flat.amin(dim=2), flat.amax(dim=2)))
    scale = torch.full_like(low, 255.0) / (high - low).clamp(min=1)
    ramp = torch.arange(_LEVELS, device=levels.device)
    stretched = (ramp * scale + -low * scale).clamp(0, 255).long()
    return _look_up(levels, torch.where(high > low, stretched, ramp))


def equalise(levels: Tensor, values: Tensor) -> Tensor:
    """Make the histogram of every channel as flat as a map of its levels can."""
    flat = levels.flatten(2).long()
    ramp = torch.arange(_LEVELS, device=levels.device).expand(*flat.shape[:2], _LEVELS)
    counts = torch.zeros_like(ramp).scatter_add(2, flat, torch.ones_like(flat))
    brightest = counts.gather(2, flat.amax(dim=2, keepdim=True))
    step = (flat.shape[2] - brightest) // 255
    below = counts.cumsum(dim=2) - counts
    spread = ((below + step // 2) // step.clamp(min=1)).clamp(max=255)
    return _look_up(levels, torch.where(step > 0, spread, ramp))


def solarise(levels: Tensor, values: Tensor) -> Tensor:
    """Invert the levels from the value (0 to 256) on."""
    return torch.where(levels >= _wide(values), 255 - levels, levels)


def posterise(levels: Tensor, values: Tensor) -> Tensor:
    """Keep the highest bits of every level; the value, cut to a whole number, says how many."""
    lowest = 2 ** (8 - _wide(values).long())
    return (levels.long() // lowest * lowest).to(torch.uint8)


def colour(levels: Tensor, values: Tensor) -> Tensor:
    """Mix with the grey image; the value is the share of the image itself."""
    return _blend(_luma(levels), levels, values)


def contrast(levels: Tensor, values: Tensor) -> Tensor:
    """Mix with an image in the mean grey."""
    grey = _luma(levels)
    total, count = grey.sum(dim=(1, 2, 3), keepdim=True), grey[0].numel()
    return _blend((2 * total + count) // (2 * count), levels, values)


def brightness(levels: Tensor, values: Tensor) -> Tensor:
    """Mix with black."""
    return _blend(torch.zeros_like(levels), levels, values)


def sharpness(levels: Tensor, values: Tensor) -> Tensor:
    """Mix with the smoothed image: the mean of 3 x 3 pixels, the centre five times; the border stays."""
    if levels.shape[-1] < 3:
        return levels
    pixels = levels.long()
    total = pixels.unfold(2, 3, 1).unfold(3, 3, 1).sum(dim=(4, 5)) + 4 * pixels[..., 1:-1, 1:-1]
    smooth = pixels.clone()
    smooth[..., 1:-1, 1:-1] = (2 * total + 13) // 26
    return _blend(smooth, levels, values)


def rotate(levels: Tensor, values: Tensor) -> Tensor:
    """Turn counter-clockwise about the centre by the value, in degrees."""
    angle, middle = torch.deg2rad(values.double()), levels.shape[-1] / 2
    cosine, sine = torch.cos(angle), torch.sin(angle)
    shift_x, shift_y = middle - cosine * middle + sine * middle, middle - sine * middle - cosine * middle
    return _resample(levels, (cosine, -sine, shift_x), (sine, cosine, shift_y))


def shear_x(levels: Tensor, values: Tensor) -> Tensor:
    """Shift every row by the value times its distance from the top."""
    one, zero = torch.ones_like(values), torch.zeros_like(values)
    return _resample(levels, (one, values, zero), (zero, one, zero))


def shear_y(levels: Tensor, values: Tensor) -> Tensor:
    """Shift every column by the value times its distance from the left."""
    one, zero = torch.ones_like(values), torch.zeros_like(values)
    return _resample(levels, (one, zero, zero), (values, one, zero))


def translate_x(levels: Tensor, values: Tensor) -> Tensor:
    """Shift to the left by the value times the side."""
    one, zero = torch.ones_like(values), torch.zeros_like(values)
    return _resample(levels, (one, zero, values.double() * levels.shape[-1]), (zero, one, zero))


def translate_y(levels: Tensor, values: Tensor) -> Tensor:
    """Shift upwards by the value times the side."""
    one, zero = torch.ones_like(values), torch.zeros_like(values)
    return _resample(levels, (one, zero, zero), (zero, one, values.double() * levels.shape[-1]))


OPERATIONS: dict[str, Operation] = {
    "identity": Operation(0, 0, identity),
    "autocontrast": Operation(0, 0, autocontrast),
    "equalise": Operation(0, 0, equalise),
    "rotate": Operation(-30, 30, rotate),
    "solarise": Operation(0, 256, solarise),
    "colour": Operation(0.05, 0.95, colour),
    "contrast": Operation(0.05, 0.95, contrast),
    "brightness": Operation(0.05, 0.95, brightness),
    "sharpness": Operation(0.05, 0.95, sharpness),
    "shear-x": Operation(-0.1, 0.1, shear_x),
    "shear-y": Operation(-0.1, 0.1, shear_y),
    "translate-x": Operation(-0.1, 0.1, translate_x),
    "translate-y": Operation(-0.1, 0.1, translate_y),
    "posterise": Operation(4, 8, posterise),
}
"""Table S2, with its intervals."""


@dataclass(frozen=True)
class Strong:
    """Random operations one after the other, drawn with replacement, each with a random value, per image.

    Attributes:
        operations: how many operations every image goes through.
        among: the operations that are drawn from, names of `OPERATIONS`; None draws from all.
    """

    operations: int = 4
    among: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.operations < 0:
            raise ValueError(f"operations must not be negative, but is {self.operations}")
        if self.among is not None and not self.among:
            raise ValueError("among must name at least one operation")
        for name in self.among or ():
            if name not in OPERATIONS:
                raise ValueError(f"there is no operation {name!r}; {nearest(name, OPERATIONS)}")

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Columns: number of the operation and its value, for one operation after the other."""
        operations = [OPERATIONS[name] for name in self._names()]
        low = torch.tensor([float(operation.low) for operation in operations])
        high = torch.tensor([float(operation.high) for operation in operations])
        kinds = torch.randint(len(operations), (count, self.operations), generator=generator)
        uniform = torch.rand(count, self.operations, generator=generator)
        values = low[kinds] + (high - low)[kinds] * uniform
        return torch.stack([kinds.float(), values], dim=2).flatten(1)

    def apply(self, images: Tensor, drawn: Tensor, mean: Sequence[float]) -> Tensor:
        """Apply drawn parameters [B, 2 * operations]: images with the same operation go through it at once.

        Images in [0, 1] become 8-bit levels first, and come back as such.
        """
        if not self.operations:
            return images
        levels = (images * 255).round().clamp(0, 255).to(torch.uint8)
        kinds, values = drawn.view(len(drawn), self.operations, 2).unbind(dim=2)
        kinds = kinds.cpu()  # one transfer; what follows never waits for the device
        for place in range(self.operations):
            for number, name in enumerate(self._names()):
                rows = torch.nonzero(kinds[:, place] == number)[:, 0].to(levels.device)
                if len(rows):
                    levels[rows] = OPERATIONS[name].apply(levels[rows], values[rows, place])
        return levels.to(images.dtype) / 255

    def _names(self) -> Sequence[str]:
        return tuple(OPERATIONS) if self.among is None else self.among


def _wide(values: Tensor) -> Tensor:
    """[B] -> [B, 1, 1, 1]."""
    return values.view(-1, 1, 1, 1)


def _look_up(levels: Tensor, table: Tensor) -> Tensor:
    """Replace levels uint8 [B, C, S, S] by their entries in tables [B, C, 256]."""
    return table.gather(2, levels.flatten(2).long()).to(torch.uint8).view_as(levels)


def _luma(levels: Tensor) -> Tensor:
    """ITU-R 601 luma [B, 1, S, S] as whole numbers, in the fixed-point arithmetic of Pillow."""
    if levels.shape[1] != 3:
        return levels.long().sum(dim=1, keepdim=True) // levels.shape[1]
    red, green, blue = torch.split(levels.long(), 1, dim=1)
    return (19595 * red + 38470 * green + 7471 * blue + 32768) // 65536


def _blend(degenerate: Tensor, levels: Tensor, values: Tensor) -> Tensor:
    """Go from `degenerate` the share `values` of the way to `levels`; fractions are cut off."""
    start = degenerate.to(torch.float32)
    return (start + _wide(values.float()) * (levels - start)).clamp(0, 255).to(torch.uint8)


def _resample(levels: Tensor, row_x: Sequence[Tensor], row_y: Sequence[Tensor]) -> Tensor:
    """Take every pixel from where an affine map sends its centre: nearest neighbour, black outside.

    Rows (a, b, c) hold one value per image [B]: the pixel (x, y) comes from a x + b y + c, in pixels from the
    upper left corner of the image.
    """
    count, channels, side, _ = levels.shape
    pixels = torch.arange(side, device=levels.device)
    source_x, source_y = (_source(row, pixels) for row in (row_x, row_y))
    inside = (source_x >= 0) & (source_x < side) & (source_y >= 0) & (source_y < side)
    place = (source_y.clamp(0, side - 1) * side + source_x.clamp(0, side - 1)).view(count, 1, -1)
    taken = levels.flatten(2).gather(2, place.expand(-1, channels, -1)).view_as(levels)
    return torch.where(inside[:, None], taken, torch.zeros_like(taken))


def _source(row: Sequence[Tensor], pixels: Tensor) -> Tensor:
    """Coordinates [B, S, S] (y, x) of the pixels that are taken."""
    a, b, c = (value.double() for value in row)
    per_x, per_y, first = (
        torch.floor(value * _FIXED + 0.5).long().view(-1, 1, 1) for value in (a, b, c + 0.5 * a + 0.5 * b)
    )
    return (first + per_y * pixels[:, None] + per_x * pixels[None, :]) // _FIXED
