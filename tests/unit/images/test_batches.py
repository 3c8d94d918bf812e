from __future__ import annotations

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.images.batches import ArrayImages, DecodedImages, from_array, open_images

COUNT = 300


def decode(location: str) -> np.ndarray:
    """An image that says its own number."""
    return np.full((2, 4, 4), int(location) % 251, dtype=np.uint8)


LOCATIONS = [str(number) for number in range(COUNT)]


@pytest.mark.parametrize(
    ("memory_limit", "kind"), [(COUNT * 32, ArrayImages), (COUNT * 32 - 1, DecodedImages)]
)
def test_memory_limit_decides_where_images_are_kept(memory_limit, kind):
    images = open_images(decode, LOCATIONS, memory_limit=memory_limit)
    assert type(images) is kind
    assert (len(images), images.shape) == (COUNT, (2, 4, 4))
    fetched = images.fetch(torch.tensor([280, 3, 3]))
    assert fetched.dtype == torch.uint8
    assert fetched[:, 1, 2, 3].tolist() == [29, 3, 3]


def test_each_image_is_decoded_once_into_memory():
    calls: list[str] = []

    def counting(location: str) -> np.ndarray:
        calls.append(location)
        return decode(location)

    images = open_images(counting, LOCATIONS)
    images.fetch(torch.arange(COUNT))
    assert sorted(calls[1:]) == sorted(LOCATIONS)


@pytest.mark.parametrize("workers", [0, 2])
def test_stream_gives_any_rows_in_the_order_asked_for(workers):
    wanted = [torch.tensor([5, 1]), torch.tensor([7]), torch.tensor([1, 1, 2]), torch.tensor([299])]
    images = DecodedImages(decode, LOCATIONS, workers=workers)
    streamed = [batch[:, 0, 0, 0].tolist() for batch in images.stream(iter(wanted))]
    assert streamed == [[5, 1], [7], [1, 1, 2], [48]]


def test_stream_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    list(DecodedImages(decode, LOCATIONS).stream(iter([torch.tensor([1])])))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_file_of_an_array_is_memory_mapped(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "images.npy", values)
    images = from_array(tmp_path / "images.npy")
    assert np.array_equal(images.fetch(torch.tensor([4, 0])).numpy(), values[[4, 0]])
    assert next(images.stream([torch.tensor([2])])).shape == (1, 1, 8, 8)


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 1, 8, 8), np.float32), np.zeros((2, 8, 8), np.uint8), np.zeros((2, 1, 8, 9), np.uint8)],
)
def test_other_arrays_are_user_errors(values):
    with pytest.raises(UserError, match="uint8"):
        from_array(values)


def test_no_images_is_a_user_error():
    with pytest.raises(UserError, match="no training images"):
        open_images(decode, [])
