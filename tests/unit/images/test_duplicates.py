from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clusterprobe.images.duplicates import duplicate_groups
from clusterprobe.images.thumbnails import Thumbnail, make_thumbnail


def slow_groups(sha256, gradients, colours, most_bits):
    """Every pair, and what pairs connect."""
    count = len(sha256)
    group = list(range(count))
    for one in range(count):
        for other in range(one):
            near = sha256[one] == sha256[other]
            if (
                most_bits is not None
                and bin(int(gradients[one]) ^ int(gradients[other])).count("1") <= most_bits
            ):
                difference = colours[one].astype(float) - colours[other].astype(float)
                near |= float(np.sqrt((difference**2).mean())) <= 6
            if near:
                low, high = sorted((group[one], group[other]))
                group = [low if each == high else each for each in group]
    return group


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 40), st.sampled_from([None, 0, 1, 3]))
def test_groups_are_those_of_all_pairs(seed, count, most_bits):
    generator = np.random.default_rng(seed)
    gradients = generator.integers(0, 2**63, 4, dtype=np.uint64)[generator.integers(0, 4, count)]
    for _ in range(2):
        gradients = gradients ^ (np.uint64(1) << generator.integers(0, 64, count, dtype=np.uint64))
    base = generator.integers(0, 256, (3, 192))
    colours = (base[generator.integers(0, 3, count)] + generator.integers(-9, 10, (count, 1))).clip(0, 255)
    colours = colours.astype(np.uint8)
    sha256 = [str(value) for value in generator.integers(0, max(count, 2), count)]
    found = duplicate_groups(sha256, gradients, colours, most_bits)
    assert found.tolist() == slow_groups(sha256, gradients, colours, most_bits)


def smooth(seed: int) -> Image.Image:
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((120, 90), Image.Resampling.BICUBIC)


def group(*pictures: Image.Image) -> list[int]:
    thumbs: list[Thumbnail] = [make_thumbnail(picture, 64) for picture in pictures]
    gradients = np.array([thumb.gradients for thumb in thumbs], dtype=np.uint64)
    colours = np.stack([np.frombuffer(thumb.colours, np.uint8) for thumb in thumbs])
    names = [str(number) for number in range(len(thumbs))]
    return duplicate_groups(names, gradients, colours, 3).tolist()


def test_resized_pictures_are_near_and_others_are_not():
    picture = smooth(0)
    assert group(picture, smooth(1), picture.resize((60, 45), Image.Resampling.LANCZOS)) == [0, 1, 0]


def test_flat_pictures_of_different_colours_are_not_the_same():
    assert group(Image.new("RGB", (9, 9), "red"), Image.new("RGB", (9, 9), "blue")) == [0, 1]


def test_a_mirrored_picture_is_another_one():
    assert group(smooth(0), smooth(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == [0, 1]


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (500, 20)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_thumbnails_of_any_size_keep_their_proportions(size, mode):
    thumb = make_thumbnail(Image.new(mode, size, 3), 64)
    assert (thumb.width, thumb.height) == size
    assert len(thumb.colours) == 192
