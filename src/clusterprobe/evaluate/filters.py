"""What the first convolution of a network looks for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from safetensors.numpy import load_file

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import WEIGHTS

_CHANNELS = (1, 3)


def first_filters(folder: Path) -> npt.NDArray[np.float32]:
    """Return the filters [F, C, H, W] of the first convolution of the encoder in `folder`, C being 1 or 3.

    Raises UserError if it has none, or works on something else than pixels.
    """
    tensors = load_file(folder / WEIGHTS)
    convolutions = [name for name, values in tensors.items() if values.ndim == 4]
    name = min(convolutions, key=_in_order, default=None)
    if name is None or tensors[name].shape[1] not in _CHANNELS or min(tensors[name].shape[2:]) < 2:
        raise UserError(f"{folder} has no first convolution of pixels whose filters could be shown")
    return np.asarray(tensors[name], dtype=np.float32)


def filters_frame(run: Mapping[str, Any]) -> pd.DataFrame:
    """Return one row per filter: column image, uint8 [H, W] or [H, W, 3], each stretched to all brightnesses.

    `run` says `encoder` (readable) and `network` (the folder of the encoder).
    """
    images = []
    for values in first_filters(Path(run["network"])):
        low, high = float(values.min()), float(values.max())
        scaled = (values - low) / max(high - low, 1e-12)
        image = np.round(255 * scaled).astype(np.uint8).transpose(1, 2, 0)
        images.append(image[..., 0] if image.shape[-1] == 1 else image)
    frame = pd.DataFrame({"image": pd.Series(images, dtype=object)})
    frame.attrs["title"] = run["encoder"]
    return frame


def _in_order(name: str) -> list[tuple[bool, int, str]]:
    """Sort names as they are counted: layer2 before layer10, and what has no number first."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", name)]
