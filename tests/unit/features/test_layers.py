"""Layers inside an encoder as features: the right tensor, pooled as the paper does, left as it was."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.canonical import untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.extract import output_network
from clusterprobe.features.layers import LayerOutput, layer_width

RGB = Preprocessing.from_dict({"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]})


def test_a_layer_is_what_the_network_computes_up_to_there() -> None:
    encoder = untrained_encoder("small-convnet", {"widths": [4, 8]}, 0, RGB)
    images = torch.randn(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    network = output_network(encoder, "layer:3", "eval")
    with torch.inference_mode():
        expected = encoder.body.network[3](encoder.body.network[:3](images)).flatten(1)
        assert torch.equal(network(images), expected), "the convolution, before BatchNorm and ReLU in place"
    assert layer_width(encoder, "3") == expected.shape[1] == 8 * 8 * 8


@pytest.mark.parametrize(
    ("channels", "side", "features"), [(96, 55, 9600), (256, 27, 9216), (384, 13, 9600), (256, 13, 9216)]
)
def test_maps_of_alexnet_are_pooled_to_the_sizes_of_the_paper(
    channels: int, side: int, features: int
) -> None:
    network = LayerOutput(Body(nn.Sequential(nn.Identity(), nn.Flatten()), 1), "0")
    maps = torch.rand(2, channels, side, side)
    found = network(maps)
    grid = int((features // channels) ** 0.5)
    assert found.shape == (2, features)
    assert torch.equal(found, functional.adaptive_max_pool2d(maps, grid).flatten(1))


def test_vectors_are_taken_as_they_are() -> None:
    network = LayerOutput(Body(nn.Sequential(nn.Flatten(), nn.Linear(12, 5), nn.ReLU(inplace=True)), 5), "1")
    images = torch.randn(2, 3, 2, 2)
    assert torch.equal(network(images), network.body.network[1](images.flatten(1)))


def test_wrong_layers_are_refused() -> None:
    body = Body(nn.Sequential(nn.Flatten(), nn.Unflatten(1, (2, 6)), nn.Flatten()), 12)
    with pytest.raises(UserError, match=r"no layer .*(did you mean|choose one of)"):
        LayerOutput(body, "conv1")
    with pytest.raises(UserError, match=r"gives \[2, 2, 6\]"):
        LayerOutput(body, "1")(torch.randn(2, 3, 2, 2))


def test_a_layer_that_is_used_twice_is_refused() -> None:
    shared = nn.ReLU()
    with pytest.raises(UserError, match="used 2 times"):
        LayerOutput(Body(nn.Sequential(shared, nn.Flatten(), shared), 12), "0")(torch.randn(2, 3, 2, 2))
