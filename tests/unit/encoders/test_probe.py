"""The checksum of features on a fixed input: the same for the same network, another one for another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body, initialise
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.encoders.probe import check_feature, fixed_images, probe

RGB = Preprocessing.from_dict({"size": 16, "mean": [0.5] * 3, "std": [0.5] * 3})
FEATURE: dict[str, Any] = {"name": "average pool", "pooling": "average", "width": 8}


def body(seed: int = 1) -> Body:
    return initialise("small-convnet", {"widths": [4, 8]}, seed).eval()


def test_fixed_images_are_what_they_are() -> None:
    images = fixed_images(RGB)
    assert images.shape == (2, 3, 16, 16)
    assert images.dtype == torch.uint8
    assert images[0, 1, 2, :4].tolist() == [23, 31, 39, 47]  # (3 * 2 + 2 * column) * 255 // 64
    assert images[1, 0, 3, :4].tolist() == [5, 7, 9, 11]  # (9 * 7 + 13 * column + 9 * column) // 11
    assert float(images[1].float().std()) > 30


def test_checksum_follows_its_definition() -> None:
    network = body()
    with torch.inference_mode():
        features = network(RGB.normalise(fixed_images(RGB))).double().numpy()
    expected = [value for row in features for value in (row.mean(), (row * np.cos(np.arange(1, 9))).mean())]
    np.testing.assert_allclose(probe(network, RGB, "small-convnet"), expected, rtol=1e-4)


def test_another_network_and_another_order_of_features_are_noticed() -> None:
    network = body()
    checksum = probe(network, RGB, "small-convnet")
    assert probe(body(), RGB, "small-convnet") == checksum
    assert probe(body(seed=2), RGB, "small-convnet") != checksum
    swapped = body()
    order = torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])
    last = swapped.network.get_submodule("3")
    last.weight.data = last.weight.data[order]  # type: ignore[index,union-attr]
    with pytest.raises(UserError, match="other weights or another network"):
        check_feature(body(), probe(swapped, RGB, "x"), FEATURE | {"checksum": checksum})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 9}, "'average pool' has width 8, not 9"),
        ({"pooling": "class token"}, "has pooling 'average', not 'class token'"),
        ({"checksum": [0.0, 0.0, 0.0, 0.0]}, "has checksum"),
        ({"checksum": [1.0]}, "has checksum"),
    ],
)
def test_feature_of_the_catalogue_is_checked(change: dict[str, Any], message: str) -> None:
    network = body()
    checksum = probe(network, RGB, "small-convnet")
    check_feature(network, checksum, None)
    check_feature(network, checksum, FEATURE | {"checksum": [value * 1.0001 for value in checksum]})
    with pytest.raises(UserError, match=message):
        check_feature(network, checksum, FEATURE | change)


def test_features_that_are_not_finite_are_refused() -> None:
    network = body()
    network.network.get_submodule("4").bias.data.fill_(torch.nan)  # type: ignore[union-attr,operator]
    with pytest.raises(UserError, match="not finite"):
        probe(network, RGB, "small-convnet")
