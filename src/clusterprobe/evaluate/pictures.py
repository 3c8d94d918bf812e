"""Small pictures of images, for figures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from clusterprobe.images.manifest import Manifest
from clusterprobe.images.sources import ImageSource

_SIDE = 96  # pixels


def small_picture(source: ImageSource, manifest: Manifest, row: int) -> npt.NDArray[np.uint8]:
    """Return the image of a manifest row, uint8 [H, W] or [H, W, 3], made smaller where a side exceeds 96.

    Raises UserError if the image changed since it was indexed, BadImage if it cannot be decoded.
    """
    image = source.read_verified(manifest.locations[row], manifest.sha256[row])
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)
