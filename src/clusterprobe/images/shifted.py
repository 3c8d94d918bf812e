"""Labelled images under controlled shifts: what a classifier meets when the world differs a little.

Every image is rendered once per kind of shift, drawn at eight times its size and averaged back, with
parameters that depend on its id alone. Classes are renamed through a label map that is not one-to-one.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image, ImageDraw

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.label_maps import load_label_map
from clusterprobe.images.listing import ImageSource
from clusterprobe.images.manifest import Manifest
from clusterprobe.store.tables import write_table

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("image", pa.binary()),
        ("label", pa.int64()),
        ("class", pa.string()),
        ("shift", pa.string()),
    ]
)
_UPSCALE = 8


def render_shifted(manifest: Manifest, source: ImageSource, definition: Mapping[str, Any]) -> pa.Table:
    """Return a table (id, image as PNG, label, class, shift) with every mapped image once per shift.

    `definition` holds shifts (kinds), severity (1.0 is mild), seed and label_map. Images whose class has no
    counterpart are left out. Raises UserError for unknown shifts and for images that changed.
    """
    shifts = definition.get("shifts") or list(SHIFTS)
    for shift in shifts:
        if shift not in SHIFTS:
            raise UserError(f"unknown shift {shift!r}; {nearest(shift, SHIFTS)}")
    severity, seed = float(definition.get("severity", 1.0)), int(definition.get("seed", 0))
    label_map = load_label_map(definition.get("label_map", "digits_to_shifted"))
    classes = sorted(set(label_map.targets.values()))
    target_of = label_map.indices(manifest.classes, classes)
    rows = []
    for image_id, location, label, sha256 in zip(
        manifest.ids, manifest.locations, manifest.labels, manifest.sha256, strict=True
    ):
        target = int(target_of[label]) if label >= 0 else -1
        if target < 0:
            continue
        image = source.read_verified(location, sha256)
        for shift in shifts:
            shifted = shift_image(image, shift, severity, f"{seed} {image_id}")
            row = (f"{image_id}/{shift}", _png(shifted), target, classes[target], shift)
            rows.append(dict(zip(SCHEMA.names, row, strict=True)))
    if not rows:
        raise UserError("no image to shift: none has a class with a counterpart in the label map")
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def write_shifted(path: Path, table: pa.Table) -> None:
    """Write rendered images as parquet, atomically; equal tables give equal bytes."""
    write_table(path, table)


def shift_image(image: Image.Image, shift: str, severity: float, key: str) -> Image.Image:
    """Return `image` (L or RGB, any size) under one kind of shift; equal keys give equal pictures."""
    digest = hashlib.sha256(f"{key} {shift}".encode()).digest()
    generator = np.random.default_rng(int.from_bytes(digest[:16], "big"))
    return SHIFTS[shift](image, severity, generator)


def _rotation(image: Image.Image, severity: float, generator: np.random.Generator) -> Image.Image:
    """Turn by 10 to 25 degrees (times severity), either way."""
    angle = math.radians(generator.choice([-1, 1]) * generator.uniform(10, 25) * severity)
    cosine, sine = math.cos(angle), math.sin(angle)
    return _warp(image, np.array([[cosine, sine], [-sine, cosine]]))


def _viewpoint(image: Image.Image, severity: float, generator: np.random.Generator) -> Image.Image:
    """Shear by up to 0.2 and scale each axis by 0.8 to 1.15 (deviations times severity)."""
    shear = generator.uniform(-0.2, 0.2) * severity
    width, height = 1 + (generator.uniform(0.8, 1.15, size=2) - 1) * severity
    return _warp(image, np.array([[1 / width, shear], [0.0, 1 / height]]))


def _clutter(image: Image.Image, severity: float, generator: np.random.Generator) -> Image.Image:
    """Draw three grey strokes and some noise behind the bright parts of the picture."""
    canvas = Image.new("L", (image.width * _UPSCALE, image.height * _UPSCALE))
    pen = ImageDraw.Draw(canvas)
    for _ in range(3):
        ends = generator.uniform(0, 1, size=(2, 2)) * canvas.size
        grey = round(min(generator.uniform(80, 150) * severity, 255))
        pen.line([tuple(end) for end in ends.tolist()], fill=grey, width=max(1, canvas.width // 12))
    strokes = np.asarray(canvas.resize(image.size, Image.Resampling.BOX), dtype=np.float64)
    behind = np.maximum(strokes + generator.normal(0, 15 * severity, size=strokes.shape), 0)
    pixels = np.asarray(image)
    return _image(np.maximum(pixels, behind if pixels.ndim == 2 else behind[..., None]))


def _inversion(image: Image.Image, severity: float, generator: np.random.Generator) -> Image.Image:
    """Exchange bright and dark: 255 - x."""
    return _image(255 - np.asarray(image, dtype=np.float64))


SHIFTS: dict[str, Callable[[Image.Image, float, np.random.Generator], Image.Image]] = {
    "rotation": _rotation,
    "viewpoint": _viewpoint,
    "clutter": _clutter,
    "inversion": _inversion,
}


def _warp(image: Image.Image, inverse: npt.NDArray[np.float64]) -> Image.Image:
    """Apply the 2x2 map `inverse` from target to source about the centre; the border's median fills up."""
    large = image.resize((image.width * _UPSCALE, image.height * _UPSCALE), Image.Resampling.BICUBIC)
    centre = np.array(large.size) / 2
    offset = centre - inverse @ centre
    coefficients = np.column_stack([inverse, offset]).ravel().tolist()
    turned = large.transform(
        large.size,
        Image.Transform.AFFINE,
        coefficients,
        resample=Image.Resampling.BILINEAR,
        fillcolor=_border(image),
    )
    return turned.resize(image.size, Image.Resampling.BOX)


def _border(image: Image.Image) -> int | tuple[int, ...]:
    pixels = np.asarray(image)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    median = np.median(edge, axis=0).astype(int).tolist()
    return tuple(median) if isinstance(median, list) else int(median)


def _image(pixels: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.clip(np.rint(pixels), 0, 255).astype(np.uint8))


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=False, compress_level=9)
    return buffer.getvalue()
