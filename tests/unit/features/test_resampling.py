"""Tables of weights against Pillow, to the last bit, one side at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from clusterprobe.encoders.preprocessing import FILTERS as PILLOW
from clusterprobe.features.resampling import BITS, FILTERS, Taps, keeping, resizing

SIDES = st.integers(1, 300)


def summed(pixels: npt.NDArray[np.uint8], taps: Taps) -> npt.NDArray[np.uint8]:
    """Each new pixel of a line by the definition, in whole numbers of any size."""
    made = []
    for places, weights in zip(taps.places.tolist(), taps.weights.tolist(), strict=True):
        total = sum(int(pixels[at]) * weight for at, weight in zip(places, weights, strict=True))
        made.append(min(max((total + 2 ** (BITS - 1)) >> BITS, 0), 255))
    return np.array(made, dtype=np.uint8)


@settings(deadline=None)
@given(st.sampled_from(sorted(FILTERS)), SIDES, SIDES, st.booleans(), st.integers(0, 2**32 - 1))
def test_a_line_is_resized_as_by_pillow(name: str, length: int, resized: int, harsh: bool, seed: int) -> None:
    generator = np.random.default_rng(seed)
    line = generator.choice([0, 255], length) if harsh else generator.integers(0, 256, length)
    pixels = line.astype(np.uint8)
    expected = Image.fromarray(pixels[None]).resize((resized, 1), PILLOW[name])
    found = summed(pixels, resizing(name, length, resized, 0, resized))
    np.testing.assert_array_equal(found, np.asarray(expected)[0])


@settings(deadline=None)
@given(st.sampled_from(sorted(FILTERS)), SIDES, SIDES, st.data())
def test_a_cut_has_the_taps_of_its_pixels_and_nothing_it_does_not_need(
    name: str, length: int, resized: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, resized - 1))
    count = data.draw(st.integers(1, resized - first))
    pixels = np.random.default_rng(length).integers(0, 256, length, dtype=np.uint8)
    whole = summed(pixels, resizing(name, length, resized, 0, resized))
    begin, end, taps = resizing(name, length, resized, first, count).cut()
    assert 0 <= begin < end <= length
    np.testing.assert_array_equal(summed(pixels[begin:end], taps), whole[first : first + count])
    assert set(taps.places.ravel().tolist()) <= set(range(end - begin))


@pytest.mark.parametrize("name", FILTERS)
def test_weights_of_a_pixel_are_one_together(name: str) -> None:
    taps = resizing(name, 640, 113, 0, 113)
    assert np.abs(taps.weights.sum(axis=1) - 2**BITS).max() <= taps.weights.shape[1]


def test_keeping_changes_nothing() -> None:
    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(summed(pixels, keeping(256)), pixels)
