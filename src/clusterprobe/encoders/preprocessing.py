"""From an image to the input of an encoder: resize, centre crop, normalise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from clusterprobe.config.errors import UserError, nearest

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}
MODES = {1: "L", 3: "RGB"}
_LARGEST = 89_478_485  # pixels, as of a picture (images.decode): what would have more is not resized whole
_REACH = 2  # old or new pixels, whichever are larger, to both sides: the widest filter makes a value of them


@dataclass(frozen=True)
class Preprocessing:
    """How an encoder wants its images; a property of the encoder, never of the script that runs it.

    `resize` is the length of the shorter side before the centre crop of side `size`; `mean` and `std` hold
    one value per channel, for pixels in [0, 1]. Raises UserError for values that contradict each other.
    """

    size: int
    resize: int
    interpolation: str
    crop_ratio: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: int

    def __post_init__(self) -> None:
        for problem in self._problems():
            raise UserError(f"preprocessing: {problem}")

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Preprocessing:
        """Read a record; `resize` defaults to size / crop_ratio, `crop_ratio` to size / resize (or 1)."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise UserError(f"preprocessing: unknown key {name!r}: {nearest(name, known)}")
        filled = {"interpolation": "bilinear", "channels": 3, **values}
        try:
            size = int(filled["size"])
            if filled.get("resize") is None:
                filled["resize"] = int(size / float(filled.get("crop_ratio") or 1.0))
            if filled.get("crop_ratio") is None:
                filled["crop_ratio"] = size / int(filled["resize"])
            filled["mean"] = tuple(float(value) for value in filled["mean"])
            filled["std"] = tuple(float(value) for value in filled["std"])
            return cls(**filled)
        except KeyError as error:
            raise UserError(f"preprocessing: the key {error} is missing") from error
        except (TypeError, ZeroDivisionError) as error:
            raise UserError(f"preprocessing: not a valid record ({error})") from error

    def uncropped(self) -> Preprocessing:
        """Return the same without the centre crop: as much of it as is square."""
        return replace(self, size=self.resize, crop_ratio=1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON values."""
        return asdict(self) | {"mean": list(self.mean), "std": list(self.std)}

    def apply(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Return the resized centre crop as uint8 [C, S, S]; the same bytes for the same image."""
        scaled = self._scaled(image)
        left, top = (round((side - self.size) / 2) for side in scaled.size)
        return self._cut(scaled, left, top)

    def ten_crops(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Return corners and centre of the resized image, then their mirror images, uint8 [10, C, S, S]."""
        scaled = self._scaled(image)
        right, bottom = (side - self.size for side in scaled.size)
        corners = ((0, 0), (right, 0), (0, bottom), (right, bottom))
        places = (*corners, (round(right / 2), round(bottom / 2)))
        crops = np.stack([self._cut(scaled, left, top) for left, top in places])
        return np.concatenate([crops, crops[..., ::-1]])

    def normalise(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (batch / 255 - mean) / std as float32 [B, C, S, S] from uint8 [B, C, S, S]."""
        mean = torch.tensor(self.mean, device=batch.device).view(-1, 1, 1)
        std = torch.tensor(self.std, device=batch.device).view(-1, 1, 1)
        return (batch.to(torch.float32) / 255 - mean) / std

    def resizes_whole(self, size: tuple[int, int]) -> bool:
        """Return whether an image of this width and height is resized as a whole before crops are cut out.

        Of a long strip only the crops are ever made: the same but for rounding, at most one level.
        """
        return math.prod(self._resized(*size)) <= _LARGEST

    def _scaled(self, image: Image.Image) -> Image.Image | _Strip:
        image = image.convert(MODES[self.channels])
        size, resampling = self._resized(*image.size), FILTERS[self.interpolation]
        if not self.resizes_whole(image.size):
            return _Strip(image, size, resampling)
        return image.resize(size, resampling)

    def _cut(self, image: Image.Image | _Strip, left: int, top: int) -> npt.NDArray[np.uint8]:
        pixels = np.asarray(image.crop((left, top, left + self.size, top + self.size)), dtype=np.uint8)
        return np.ascontiguousarray(pixels.reshape(self.size, self.size, self.channels).transpose(2, 0, 1))

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        shorter = min(width, height)
        return int(self.resize * width / shorter), int(self.resize * height / shorter)

    def _problems(self) -> list[str]:
        values = (*self.mean, *self.std)
        checks = {
            f"size must be at least 1, not {self.size}": self.size < 1,
            f"resize {self.resize} is smaller than size {self.size}": self.resize < self.size,
            f"crop_ratio must lie in (0, 1], not {self.crop_ratio}": not 0 < self.crop_ratio <= 1,
            f"channels must be 1 or 3, not {self.channels}": self.channels not in MODES,
            f"mean and std need {self.channels} values each": not (
                len(self.mean) == len(self.std) == self.channels
            ),
            "mean and std must be finite, std above 0": not all(map(math.isfinite, values))
            or min(self.std, default=1.0) <= 0,
        }
        if self.interpolation not in FILTERS:
            hint = nearest(self.interpolation, FILTERS)
            checks[f"unknown interpolation {self.interpolation!r}: {hint}"] = True
        return [message for message, wrong in checks.items() if wrong]


@dataclass(frozen=True)
class _Strip:
    """An image that would fill the memory if resized to `size`: crops are made of what they show of it."""

    image: Image.Image
    size: tuple[int, int]
    resampling: Image.Resampling

    def crop(self, box: tuple[int, int, int, int]) -> Image.Image:
        sides = zip(box[:2], box[2:], self.size, self.image.size, strict=True)
        columns, rows = (_Span.behind(*side) for side in sides)
        part = self.image.crop((columns.first, rows.first, columns.end, rows.end))
        shown = (columns.start, rows.start, columns.stop, rows.stop)
        return part.resize((box[2] - box[0], box[3] - box[1]), self.resampling, box=shown)


class _Span(NamedTuple):
    """Old pixels [first, end) of a side that make some new ones, which show [start, stop) of them.

    The latter count from `first`, because Pillow takes them in single precision.
    """

    first: int
    end: int
    start: float
    stop: float

    @classmethod
    def behind(cls, first: int, end: int, resized: int, length: int) -> _Span:
        """Return what is behind the new pixels [first, end) of a side of `length` pixels."""
        scale = length / resized
        start, stop, reach = first * scale, min(end * scale, length), _REACH * max(scale, 1.0)
        low = max(math.floor(start - reach), 0)
        return cls(low, min(math.ceil(stop + reach), length), start - low, stop - low)
