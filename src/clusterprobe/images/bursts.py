"""Images in bursts of near-duplicates, as neighbouring frames of a film are: few things, each seen often.

The idea of Kitchen-HC (CLD: Wang et al., arXiv 2008.03813), for any data set: some of its images stand for
all, each there several times, a little moved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from clusterprobe.images.decode import to_pnm
from clusterprobe.images.listing import ImageSource, Listing
from clusterprobe.images.splits import one_in

IN_BURSTS = "train"
"""The split that bursts are made of."""

_JOINT = ":"
_DEGREES, _ZOOM, _SHIFT = 4.0, 0.04, 0.06  # at most, either way; shifts as shares of the sides
_MARGIN = 0.12  # what a corner moves at most, as a share of the longer side


@dataclass(frozen=True)
class BurstSource(ImageSource):
    """Frames of the images of another source; a location is a number, a colon, and the location there.

    Frame 0 is the image as it is; how the others are moved follows from location and number.
    """

    inner: ImageSource

    def fetch(self, location: str) -> bytes:
        number, _, place = location.partition(_JOINT)
        image = self.inner.read(place)
        return to_pnm(image if number == "0" else moved(image, location))

    def name(self, location: str) -> str:
        number, _, place = location.partition(_JOINT)
        return f"{self.inner.name(place)}, frame {number}"


def in_bursts(listing: Listing, classes: Sequence[str], length: int, seed: int) -> Listing:
    """Return one in `length` of the images of every class, each as `length` frames, one after the other."""
    kept = one_in(listing.ids, listing.labels(classes), length, seed)
    frames = listing.subset(np.repeat(kept, length))
    numbers = [number % length for number in range(len(frames.ids))]
    return replace(
        frames,
        source=BurstSource(listing.source),
        ids=[f"{image}/frame-{number}" for image, number in zip(frames.ids, numbers, strict=True)],
        locations=[f"{number}{_JOINT}{at}" for at, number in zip(frames.locations, numbers, strict=True)],
    )


def moved(image: Image.Image, key: str) -> Image.Image:
    """Return `image` (L or RGB) turned, scaled and shifted a little; equal keys give equal pictures.

    The pixels of its border go on outside it.
    """
    digest = hashlib.sha256(key.encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    angle = math.radians(generator.uniform(-_DEGREES, _DEGREES))
    zoom = 1 + generator.uniform(-_ZOOM, _ZOOM)
    shift = generator.uniform(-_SHIFT, _SHIFT, size=2) * image.size
    margin = math.ceil(_MARGIN * max(image.size)) + 2
    pixels = np.asarray(image)
    wide = Image.fromarray(np.pad(pixels, [(margin, margin)] * 2 + [(0, 0)] * (pixels.ndim - 2), "edge"))
    cosine, sine = math.cos(angle), math.sin(angle)
    inverse = np.array([[cosine, sine], [-sine, cosine]]) / zoom
    centre = np.array(wide.size) / 2
    offset = centre - inverse @ (centre + shift)
    coefficients = np.column_stack([inverse, offset]).ravel().tolist()
    turned = wide.transform(
        wide.size, Image.Transform.AFFINE, coefficients, resample=Image.Resampling.BICUBIC
    )
    return turned.crop((margin, margin, margin + image.width, margin + image.height))
