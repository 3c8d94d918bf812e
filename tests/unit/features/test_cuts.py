"""How images are cut: against the boxes that were published, torchvision, and a loop over pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.cuts import centre, off_centre, off_centre_box, random_box, random_cut
from clusterprobe.images.seeds import make_generator


def unnormalised(size: int) -> Preprocessing:
    return Preprocessing.from_dict({"size": size, "crop_ratio": 0.875, "mean": [0] * 3, "std": [1] * 3})


def a_picture(width: int, height: int, seed: int = 0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


@pytest.mark.parametrize(
    ("height", "width", "box", "share"),
    [(375, 500, (305, 242), 0.39), (256, 256, (208, 208), 0.66), (500, 375, (242, 305), 0.39)],
)
def test_the_box_ends_too_early(height: int, width: int, box: tuple[int, int], share: float) -> None:
    """375 x 500 becomes 305 x 242, 39 % of the area in place of 57 %; the centre is missed."""
    left, top, right, bottom = off_centre_box(width, height)
    assert (round((bottom - top) * height), round((right - left) * width)) == box
    assert (bottom - top) * (right - left) == pytest.approx(share, abs=0.005)
    assert (left + right) / 2 < 0.5
    assert (top + bottom) / 2 < 0.5


def test_a_long_strip_is_mirrored() -> None:
    """Beyond 0.875 : 1/3 the box ends before it begins."""
    left, _, right, _ = off_centre_box(262, 100)
    assert left < right
    left, _, right, _ = off_centre_box(263, 100)
    assert right < left
    ramp = np.broadcast_to(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], (100, 400, 3))
    cut = off_centre(unnormalised(16), Image.fromarray(np.ascontiguousarray(ramp)), 0)
    assert (np.diff(cut[0, 0].astype(int)) <= 0).all()
    assert cut[0, 0, 0] > cut[0, 0, -1]


def slow_crop_and_resize(
    pixels: npt.NDArray[np.float64], box: tuple[float, float, float, float], size: int
) -> npt.NDArray[np.float64]:
    """TensorFlow's crop_and_resize, pixel by pixel: corners of the box on corners of the result."""
    height, width, channels = pixels.shape
    left, top, right, bottom = box
    found = np.zeros((size, size, channels))
    for row in range(size):
        y = (top + (bottom - top) * row / (size - 1)) * (height - 1)
        for column in range(size):
            x = (left + (right - left) * column / (size - 1)) * (width - 1)
            for down in (int(np.floor(y)), int(np.floor(y)) + 1):
                for across in (int(np.floor(x)), int(np.floor(x)) + 1):
                    weight = max(0, 1 - abs(y - down)) * max(0, 1 - abs(x - across))
                    if weight:
                        found[row, column] += weight * pixels[down, across]
    return found


@pytest.mark.parametrize("shape", [(20, 33), (33, 20), (24, 24), (60, 20)])
def test_the_off_centre_cut_is_that_of_a_loop_over_pixels(shape: tuple[int, int]) -> None:
    image = a_picture(*shape)
    expected = slow_crop_and_resize(np.asarray(image, np.float64), off_centre_box(*shape), 9)
    found = off_centre(unnormalised(9), image, 0).transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=0.501)
    assert np.abs(found - centre(unnormalised(9), image, 0).transpose(1, 2, 0).astype(float)).max() > 20


def test_random_cuts_depend_on_the_row_alone_and_are_not_the_centre() -> None:
    image, wanted = a_picture(40, 30), unnormalised(12)
    cuts = [random_cut(wanted, image, row) for row in range(6)]
    np.testing.assert_array_equal(cuts[3], random_cut(wanted, image, 3))
    assert len({cut.tobytes() for cut in cuts}) == 6
    assert centre(wanted, image, 0).tobytes() not in {cut.tobytes() for cut in cuts}


@pytest.mark.parametrize(("width", "height"), [(500, 375), (64, 64), (400, 30), (30, 400)])
def test_random_boxes_cover_what_they_should(width: int, height: int) -> None:
    """0.35 to 1 of the area, aspect ratio 3/4 to 4/3, or the largest centre of such a ratio."""
    for row in range(200):
        left, top, right, bottom = random_box(width, height, make_generator(1, "test", row))
        across, down = right - left, bottom - top
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
        assert 3 / 4 * 0.95 <= across / down <= 4 / 3 * 1.05
        if max(width, height) < 10 * min(width, height):
            assert 0.34 <= across * down / (width * height) <= 1


def test_random_boxes_are_distributed_as_those_of_torchvision() -> None:
    from torchvision.transforms import RandomResizedCrop

    image = torch.empty(3, 375, 500)
    torch.manual_seed(0)
    theirs = [RandomResizedCrop.get_params(image, [0.35, 1.0], [3 / 4, 4 / 3]) for _ in range(1500)]
    ours = [random_box(500, 375, make_generator(0, "test", row)) for row in range(1500)]
    boxes = [(top, left, bottom - top, right - left) for left, top, right, bottom in ours]
    for mine, other in zip(np.transpose(boxes), np.transpose(theirs), strict=True):
        assert np.mean(mine) == pytest.approx(np.mean(other), abs=5 * np.std(other) * (2 / 1500) ** 0.5)
        assert np.std(mine) == pytest.approx(np.std(other), rel=0.1)
