"""What a body makes of a fixed input: its features in short, compared with what a catalogue says of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.preprocessing import Preprocessing

_DIGITS = 5
_TOLERANCE = 1e-3


def fixed_images(preprocessing: Preprocessing) -> torch.Tensor:
    """Return two images of smooth and rough stripes, uint8 [2, C, S, S]: integer arithmetic, no generator."""
    rows, columns = np.indices((preprocessing.size, preprocessing.size))
    smooth = [
        (3 * rows + (channel + 1) * columns) * 255 // (4 * preprocessing.size)
        for channel in range(preprocessing.channels)
    ]
    rough = [
        (rows * rows * 7 + columns * 13 + rows * columns * (channel + 3)) // 11
        for channel in range(preprocessing.channels)
    ]
    return torch.from_numpy((np.array([smooth, rough]) % 256).astype(np.uint8))


def probe(body: Body, preprocessing: Preprocessing, architecture: str) -> list[float]:
    """Return the checksum of the features of `fixed_images`: four numbers of five digits.

    They are, for each image, the mean of its features and the mean weighted by cos(1), cos(2), ... Raises
    UserError unless the body takes the images that the preprocessing makes and gives finite features of its
    width.
    """
    images = preprocessing.normalise(fixed_images(preprocessing))
    shape = list(images.shape[1:])
    try:
        with torch.inference_mode():
            features = body.eval()(images).double()
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"{architecture} does not take images of shape {shape}: {error}") from error
    if features.shape != (len(images), body.width):
        raise UserError(f"{architecture} gives {list(features.shape)} for two images, not [2, {body.width}]")
    if not bool(torch.isfinite(features).all()):
        raise UserError(f"{architecture} gives features that are not finite: its weights are not usable")
    weights = torch.stack([torch.ones(body.width), torch.arange(1.0, body.width + 1).cos()]).double()
    return [_rounded(float(value)) for value in (features @ weights.T / body.width).flatten()]


def check_feature(body: Body, checksum: Sequence[float], feature: Mapping[str, Any] | None) -> None:
    """Raise UserError unless width, pooling and checksum are those that the catalogue gives."""
    if feature is None:
        return
    for what, found in (("width", body.width), ("pooling", body.pooling)):
        if found != feature[what]:
            raise UserError(f"the feature {feature['name']!r} has {what} {found!r}, not {feature[what]!r}")
    known = feature.get("checksum")
    if known and (
        len(known) != len(checksum)
        or not all(
            math.isclose(one, other, rel_tol=_TOLERANCE, abs_tol=1e-6)
            for one, other in zip(known, checksum, strict=True)
        )
    ):
        raise UserError(
            f"the feature {feature['name']!r} of the fixed input has checksum {list(checksum)}, not {known}: "
            "other weights or another network than those of the catalogue"
        )


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
