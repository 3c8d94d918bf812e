"""Resize, centre crop, normalise: the arithmetic of torchvision, on Pillow alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.encoders import preprocessing
from clusterprobe.encoders.preprocessing import Preprocessing

IMAGENET = Preprocessing.from_dict(
    {
        "size": 24,
        "resize": 32,
        "interpolation": "bilinear",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
    }
)


def picture(width: int, height: int, mode: str = "RGB") -> Image.Image:
    values = np.random.default_rng(width * 1000 + height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values).convert(mode)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize("shape", [(50, 37), (37, 50), (32, 32), (9, 21), (33, 100)])
def test_apply_and_normalise_equal_torchvision(interpolation: str, shape: tuple[int, int]) -> None:
    from torchvision import transforms

    image = picture(*shape)
    reference = transforms.Compose(
        [
            transforms.Resize(32, interpolation=transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(24),
            transforms.ToTensor(),
            transforms.Normalize(IMAGENET.mean, IMAGENET.std),
        ]
    )(image)
    ours = replace(IMAGENET, interpolation=interpolation)
    pixels = ours.apply(image)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (3, 24, 24)
    torch.testing.assert_close(ours.normalise(torch.from_numpy(pixels)[None])[0], reference)


@pytest.mark.parametrize("shape", [(50, 37), (37, 50), (32, 32), (9, 21)])
def test_ten_crops_are_corners_centre_and_their_mirror_images(shape: tuple[int, int]) -> None:
    image = picture(*shape)
    scale = 32 / min(shape)
    whole = image.resize((int(shape[0] * scale), int(shape[1] * scale)), Image.Resampling.BILINEAR)
    right, bottom = whole.width - 24, whole.height - 24
    boxes = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    crops = [np.asarray(whole.crop((left, top, left + 24, top + 24))) for left, top in boxes]
    crops.append(IMAGENET.apply(image).transpose(1, 2, 0))
    crops += [np.asarray(Image.fromarray(crop).transpose(Image.Transpose.FLIP_LEFT_RIGHT)) for crop in crops]
    found = IMAGENET.ten_crops(image)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, np.stack(crops).transpose(0, 3, 1, 2))


STRIPS = [(700, 3), (3, 700), (1, 401), (1000, 13), (13, 1000), (90, 30), (400, 75)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("shape", STRIPS)
def test_what_is_cut_out_of_a_strip_alone_is_that_of_the_whole(
    interpolation: str, shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, image = replace(IMAGENET, interpolation=interpolation), picture(*shape)
    wholes = ours.apply(image), ours.ten_crops(image)
    assert ours.resizes_whole(image.size)
    monkeypatch.setattr(preprocessing, "_LARGEST", 1)
    assert not ours.resizes_whole(image.size)
    for cut, whole in zip((ours.apply(image), ours.ten_crops(image)), wholes, strict=True):
        assert cut.dtype == np.uint8
        difference = np.abs(cut.astype(int) - whole)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize("shape", STRIPS)
def test_the_nearest_pixels_of_a_strip_are_those_of_the_whole(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for a row or column in the middle, which may lie just between two pixels: either is the nearest."""
    ours, image = replace(IMAGENET, interpolation="nearest"), picture(*shape)
    wholes = ours.ten_crops(image)
    monkeypatch.setattr(preprocessing, "_LARGEST", 1)
    differs = ours.ten_crops(image) != wholes
    assert min(differs.any(axis=axes).sum() for axes in ((0, 1, 2), (0, 1, 3))) <= 2
    assert not differs[:4].any()


@pytest.mark.parametrize("shape", [(8000, 1), (1, 8000), (80_000_000, 1), (1_000_000, 80), (65_535, 40)])
def test_a_long_strip_never_fills_the_memory(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    resize = Image.Image.resize

    def small(image: Image.Image, size: tuple[int, int], *rest: object, **options: object) -> Image.Image:
        assert size[0] * size[1] <= 256 * 256
        return resize(image, size, *rest, **options)

    monkeypatch.setattr(Image.Image, "resize", small)
    grey = Preprocessing.from_dict({"size": 224, "resize": 256, "channels": 1, "mean": [0.5], "std": [0.25]})
    strip, (x, y) = Image.new("L", shape, 7), (side // 2 for side in shape)
    strip.paste(9, (x - 50, y - 50, x + 50, y + 50))
    assert np.unique(grey.apply(strip)).tolist() == [9]
    crops = grey.ten_crops(strip)
    assert [np.unique(crop).tolist() for crop in crops] == [[7], [7], [7], [7], [9]] * 2


def test_one_channel_takes_colour_images_as_grey() -> None:
    grey = Preprocessing.from_dict({"size": 8, "channels": 1, "mean": [0.5], "std": [0.25]})
    image = picture(8, 8)
    np.testing.assert_array_equal(grey.apply(image)[0], np.asarray(image.convert("L")))
    assert grey.normalise(torch.full((2, 1, 8, 8), 255, dtype=torch.uint8)).unique().tolist() == [2.0]


def test_three_channels_take_grey_images() -> None:
    pixels = IMAGENET.apply(picture(32, 32, "L"))
    np.testing.assert_array_equal(pixels[0], pixels[2])


def test_record_survives_the_round_trip_and_resize_follows_the_crop_ratio() -> None:
    assert Preprocessing.from_dict(IMAGENET.to_dict()) == IMAGENET
    values = {"size": 224, "crop_ratio": 0.875, "mean": [0, 0, 0], "std": [1, 1, 1]}
    assert Preprocessing.from_dict(values).resize == 256


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"interpolation": "bicubik"}, "did you mean 'bicubic'"),
        ({"resize": 20}, "resize 20 is smaller than size 24"),
        ({"std": [1.0, 0.0, 1.0]}, "std above 0"),
        ({"mean": [float("nan")] * 3}, "finite"),
        ({"channels": 1}, "1 values each"),
        ({"channels": 2}, "channels must be 1 or 3"),
        ({"size": 0}, "size must be at least 1"),
        ({"crop_ratio": 1.5}, "crop_ratio must lie"),
        ({"intepolation": "nearest"}, "did you mean 'interpolation'"),
    ],
)
def test_contradictions_are_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Preprocessing.from_dict({**IMAGENET.to_dict(), **change})


def test_missing_key_is_named() -> None:
    with pytest.raises(UserError, match="'std' is missing"):
        Preprocessing.from_dict({"size": 8, "mean": [0, 0, 0]})
