"""Crops that torch makes of a whole batch are those of Pillow, byte by byte, and little more travels."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features import device_resize
from clusterprobe.features.device_resize import DeviceCentre, can_cut
from clusterprobe.images.decode import decode_image

WANTED = Preprocessing.from_dict({"size": 24, "resize": 32, "mean": [0] * 3, "std": [1] * 3})
CPU = torch.device("cpu")
FILTERS = ("bilinear", "bicubic")


def a_picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Noise with hard black and white in one half, where bicubic weights overshoot; read from a file."""
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 4), dtype=np.uint8)
    values[:, : width // 2] = np.where(values[:, : width // 2] < 128, 0, 255)
    file = io.BytesIO()
    Image.fromarray(values, "RGBA").convert(mode).save(file, "PNG")
    return decode_image(file.getvalue(), "a picture")


def crops(wanted: Preprocessing, images: list[Image.Image]) -> npt.NDArray[np.uint8]:
    centre = DeviceCentre(wanted)
    parts = [centre.take(image, row) for row, image in enumerate(images)]
    found: npt.NDArray[np.uint8] = centre.batch(parts).cut_on(CPU).numpy()
    return found


def by_pillow(wanted: Preprocessing, images: list[Image.Image]) -> npt.NDArray[np.uint8]:
    return np.stack([wanted.apply(image) for image in images])


SIZES = [
    *((50, 37), (37, 50), (32, 32), (33, 32), (64, 64)),  # smaller in the end
    *((9, 21), (21, 9), (1, 1), (5, 6)),  # larger
    *((33, 100), (100, 33), (40, 80), (40, 81), (3, 400), (400, 3)),  # strips
    *((97, 96), (96, 97), (200, 150), (500, 96)),  # beyond what travels whole
]


@pytest.mark.parametrize("interpolation", FILTERS)
def test_a_batch_of_many_sizes_and_modes_is_that_of_pillow(interpolation: str) -> None:
    modes = ("RGB", "L", "P", "RGBA", "LA", "1")
    images = [a_picture(*size, modes[number % len(modes)]) for number, size in enumerate(SIZES)]
    wanted = replace(WANTED, interpolation=interpolation)
    found = crops(wanted, images)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, by_pillow(wanted, images))


def test_a_strip_that_is_never_resized_as_a_whole_is_that_of_pillow() -> None:
    wanted = replace(WANTED, size=224, resize=256, crop_ratio=0.875)
    image = a_picture(20_001, 7)
    assert not wanted.resizes_whole(image.size)
    np.testing.assert_array_equal(crops(wanted, [image]), by_pillow(wanted, [image]))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(FILTERS),
    st.tuples(st.integers(1, 40), st.integers(0, 9)),
    st.lists(st.tuples(st.integers(1, 130), st.integers(1, 130)), min_size=1, max_size=4),
)
def test_crops_of_any_size_are_those_of_pillow(
    interpolation: str, sides: tuple[int, int], sizes: list[tuple[int, int]]
) -> None:
    size, margin = sides
    values = {"size": size, "resize": size + margin, "crop_ratio": size / (size + margin)}
    wanted = replace(WANTED, interpolation=interpolation, **values)
    images = [a_picture(*each) for each in sizes]
    np.testing.assert_array_equal(crops(wanted, images), by_pillow(wanted, images))


def test_a_network_for_grey_images_gets_them() -> None:
    wanted = replace(WANTED, channels=1, mean=(0.0,), std=(1.0,))
    images = [a_picture(50, 37), a_picture(20, 50, "L")]
    found = crops(wanted, images)
    assert found.shape == (2, 1, 24, 24)
    np.testing.assert_array_equal(found, by_pillow(wanted, images))


def test_blocks_of_a_batch_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    images = [a_picture(*size) for size in SIZES]
    whole = crops(WANTED, images)
    monkeypatch.setattr(device_resize, "_AT_ONCE", 4)
    np.testing.assert_array_equal(crops(WANTED, images), whole)


@pytest.mark.parametrize("size", [(4000, 40), (40, 4000), (400, 300)])
def test_of_large_images_little_travels(size: tuple[int, int]) -> None:
    """At most the square of three times the resized side, and the reach of the filter."""
    part = DeviceCentre(WANTED).take(a_picture(*size), 0)
    assert max(part.pixels.shape[:2]) <= 3 * 24 + 2 * 3
    assert max(part.columns.places.shape[1], part.rows.places.shape[1]) <= 2 * 3 + 1


def test_the_nearest_pixel_is_left_to_pillow() -> None:
    assert can_cut(WANTED)
    assert not can_cut(replace(WANTED, interpolation="nearest"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("interpolation", FILTERS)
def test_a_gpu_gives_the_same_bytes(interpolation: str) -> None:
    wanted = replace(WANTED, interpolation=interpolation)
    images = [a_picture(*size) for size in SIZES]
    centre = DeviceCentre(wanted)
    batch = centre.batch([centre.take(image, 0) for image in images])
    found = batch.cut_on(torch.device("cuda")).cpu().numpy()
    np.testing.assert_array_equal(found, by_pillow(wanted, images))
