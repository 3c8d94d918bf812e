from __future__ import annotations

import pytest
import torch
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build

LAYERS = ("features.2", "features.6", "features.10", "features.13", "features.16")


def test_the_wide_network_is_that_of_the_paper():
    body = build("alexnet", {})
    heads = 10 * (4096 * 3000 + 3000)
    assert sum(each.numel() for each in body.parameters()) + heads == 181_194_096
    assert body.width == 4096


@pytest.mark.parametrize(
    ("width", "channels"), [("big", [96, 256, 384, 384, 256]), ("small", [64, 192, 384, 256, 256])]
)
def test_the_five_layers_have_the_sizes_that_probes_expect(width, channels):
    network = build("alexnet", {"width": width}).network.eval()
    shapes = []
    for name in LAYERS:
        assert isinstance(network.get_submodule(name), nn.ReLU)
        network.get_submodule(name).register_forward_hook(
            lambda _, __, output: shapes.append(tuple(output.shape[1:]))
        )
    with torch.no_grad():
        assert network(torch.rand(1, 3, 224, 224)).shape == (1, 4096)
    assert shapes == list(zip(channels, [55, 27, 13, 13, 13], [55, 27, 13, 13, 13], strict=True))


def test_without_batch_norm_and_with_other_channels():
    body = build("alexnet", {"width": "small", "batch_norm": False, "channels": 1})
    assert not [module for module in body.modules() if isinstance(module, nn.BatchNorm2d)]
    assert body.network.features[0].weight.shape == (64, 1, 11, 11)


def test_the_small_one_has_the_convolutions_of_torchvision():
    from torchvision.models import alexnet

    own = [
        module for module in build("alexnet", {"width": "small"}).modules() if isinstance(module, nn.Conv2d)
    ]
    theirs = [module for module in alexnet().modules() if isinstance(module, nn.Conv2d)]
    assert [(each.weight.shape, each.stride, each.padding) for each in own] == [
        (each.weight.shape, each.stride, each.padding) for each in theirs
    ]


def test_a_width_that_does_not_exist_is_a_user_error():
    with pytest.raises(UserError, match="one of big, small"):
        build("alexnet", {"width": "huge"})
