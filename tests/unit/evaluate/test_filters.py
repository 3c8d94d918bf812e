from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import load_encoder, save_encoder, untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.evaluate.filters import filters_frame, first_filters


def save(folder, name, options):
    channels = options.get("channels", 3)
    preprocessing = Preprocessing(8, 8, "bilinear", 1.0, (0.5,) * channels, (0.5,) * channels, channels)
    save_encoder(folder, untrained_encoder(name, options, 0, preprocessing))
    return {"encoder": "network", "network": str(folder)}


@pytest.mark.parametrize(
    ("name", "options", "first"),
    [
        ("small-convnet", {"widths": [5] * 12, "strides": [1] * 12}, "0"),
        ("small-convnet", {"channels": 1, "widths": [5, 7]}, "0"),
        ("resnet18-small-images", {}, "conv1"),
    ],
)
def test_the_first_convolution_is_found_by_its_place(tmp_path, name, options, first):
    save(tmp_path, name, options)
    expected = load_encoder(tmp_path).body.network.get_submodule(first).weight.detach().numpy()
    np.testing.assert_array_equal(first_filters(tmp_path), expected)


def test_filters_are_pictures_of_all_brightnesses(tmp_path):
    frame = filters_frame(save(tmp_path, "small-convnet", {"widths": [5]}))
    assert len(frame) == 5
    assert {image.shape for image in frame["image"]} == {(3, 3, 3)}
    assert all((image.min(), image.max()) == (0, 255) for image in frame["image"])
    grey = filters_frame(save(tmp_path, "small-convnet", {"widths": [5], "channels": 1}))
    assert {image.shape for image in grey["image"]} == {(3, 3)}
    assert frame.attrs["title"] == "network"


def test_a_network_without_convolutions_is_a_user_error(tmp_path):
    save(tmp_path, "pixels", {"size": 8})
    with pytest.raises(UserError, match="no first convolution"):
        first_filters(tmp_path)
