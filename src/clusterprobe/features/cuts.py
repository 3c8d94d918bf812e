"""How the square input of an encoder is cut out of an image: at the centre, or as published code did it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from clusterprobe.encoders.preprocessing import FILTERS, MODES, Preprocessing
from clusterprobe.images.seeds import make_generator

Pixels = npt.NDArray[np.uint8]
Cut = Literal["centre", "off-centre", "random", "ten-crops"]
Cutter = Callable[[Preprocessing, Image.Image, int], Pixels]
"""From an image and its row in the split to the input of an encoder, uint8 [C, S, S], or to L of them."""

_SCALE, _RATIO, _ATTEMPTS = (0.35, 1.0), (3 / 4, 4 / 3), 10
_SEED = 0


def centre(preprocessing: Preprocessing, image: Image.Image, row: int) -> Pixels:
    """Cut the centre out, as the encoder wants it."""
    return preprocessing.apply(image)


def random_cut(preprocessing: Preprocessing, image: Image.Image, row: int) -> Pixels:
    """Cut a random part of 0.35 to 1 of the area and of an aspect ratio of 3/4 to 4/3, and flip every other.

    The augmentation of the train features of arXiv 2008.10312 (torch_utils.py, line 64 of its code), which
    its section 2.2 rules out. What is drawn depends on the row alone.
    """
    generator = make_generator(_SEED, "augmented training features", row)
    image = image.convert(MODES[preprocessing.channels])
    box = random_box(*image.size, generator)
    side = (preprocessing.size, preprocessing.size)
    image = image.crop(box).resize(side, FILTERS[preprocessing.interpolation])
    if float(torch.rand((), generator=generator)) < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return _channels_first(np.asarray(image, dtype=np.uint8), preprocessing)


def random_box(width: int, height: int, generator: torch.Generator) -> tuple[int, int, int, int]:
    """Draw left, top, right, bottom of a part of an image; of the centre, if ten draws do not fit.

    Inception's crop: Szegedy et al., Going deeper with convolutions, CVPR 2015, section 6.
    """
    low, high = (math.log(ratio) for ratio in _RATIO)
    for _ in range(_ATTEMPTS):
        share, where, left, top = torch.rand(4, generator=generator, dtype=torch.float64).tolist()
        area = width * height * (_SCALE[0] + share * (_SCALE[1] - _SCALE[0]))
        ratio = math.exp(low + where * (high - low))
        across, down = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < across <= width and 0 < down <= height:
            x, y = int(left * (width - across + 1)), int(top * (height - down + 1))
            return x, y, x + across, y + down
    across = min(width, round(height * _RATIO[1]))
    down = min(height, round(width / _RATIO[0]))
    x, y = (width - across) // 2, (height - down) // 2
    return x, y, x + across, y + down


def off_centre(preprocessing: Preprocessing, image: Image.Image, row: int) -> Pixels:
    """Cut the box that begins where a central crop does and ends too early, squeezed into a square.

    Bilinear without a filter against aliasing (generate_prediction_tf.py, lines 102-109 of the code of arXiv
    2008.10312). Of an image more than 2.6 times as wide as high the strip is mirrored.
    """
    image = image.convert(MODES[preprocessing.channels])
    pixels = np.asarray(image, dtype=np.float32).reshape(image.height, image.width, -1)
    left, top, right, bottom = off_centre_box(image.width, image.height)
    down = _between(pixels, _places(top, bottom, image.height, preprocessing.size), axis=0)
    both = _between(down, _places(left, right, image.width, preprocessing.size), axis=1)
    return _channels_first(np.rint(both).astype(np.uint8), preprocessing)


def off_centre_box(width: int, height: int) -> tuple[float, float, float, float]:
    """Return left, top, right, bottom as shares of width and height: each from (1 - s) / 2 to s.

    s is the share of the side that a central square of 0.875 of the shorter side has; it should end at
    (1 + s) / 2.
    """
    across, down = (_CROP_RATIO * min(width, height) / side for side in (width, height))
    return (1 - across) / 2, (1 - down) / 2, across, down


def ten_crops(preprocessing: Preprocessing, image: Image.Image, row: int) -> Pixels:
    """Cut out the corners and the centre of the resized image, and mirror them: ten inputs."""
    return preprocessing.ten_crops(image)


def inputs_of(cut: Cut) -> int:
    """Return how many inputs are cut out of each image."""
    return 10 if cut == "ten-crops" else 1


_CROP_RATIO = 0.875

CUTS: dict[Cut, Cutter] = {
    "centre": centre,
    "off-centre": off_centre,
    "random": random_cut,
    "ten-crops": ten_crops,
}


def _places(first: float, last: float, pixels: int, size: int) -> npt.NDArray[np.float64]:
    """Return where `size` samples lie between two shares of a side, both ends included, in pixels."""
    return np.linspace(first, last, size) * (pixels - 1)


def _between(
    values: npt.NDArray[np.float32], places: npt.NDArray[np.float64], axis: int
) -> npt.NDArray[np.float32]:
    """Return values at places between two neighbours along an axis, each weighed by its nearness."""
    below = np.clip(np.floor(places).astype(np.int64), 0, values.shape[axis] - 1)
    above = np.minimum(below + 1, values.shape[axis] - 1)
    share = (places - below).astype(np.float32).reshape((-1, *[1] * (values.ndim - 1 - axis)))
    lower, upper = values.take(below, axis), values.take(above, axis)
    between: npt.NDArray[np.float32] = lower + share * (upper - lower)
    return between


def _channels_first(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    shaped = pixels.reshape(preprocessing.size, preprocessing.size, preprocessing.channels)
    return np.ascontiguousarray(shaped.transpose(2, 0, 1))
