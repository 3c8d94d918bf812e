"""Bodies by name: shapes, widths, seeds and clear refusals."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build, initialise


@pytest.mark.parametrize(
    ("name", "options", "shape", "width"),
    [
        ("pixels", {"size": 8, "channels": 1}, (1, 8, 8), 64),
        ("small-convnet", {"channels": 1}, (1, 8, 8), 128),
        ("small-convnet", {"widths": [4, 6], "strides": [2, 1]}, (3, 32, 32), 6),
        ("resnet18-small-images", {"channels": 1}, (1, 8, 8), 512),
        ("torchvision:resnet18", {}, (3, 64, 64), 512),
        ("torchvision:mobilenet_v3_small", {}, (3, 64, 64), 1024),
        ("torchvision:swin_t", {}, (3, 64, 64), 768),
        ("timm:test_vit", {"img_size": 64}, (3, 64, 64), 64),
        ("timm:mobilenetv3_small_050", {}, (3, 64, 64), 1024),
    ],
)
def test_body_gives_one_vector_of_its_width_per_image(
    name: str, options: dict[str, Any], shape: tuple[int, ...], width: int
) -> None:
    body = build(name, options).eval()
    with torch.inference_mode():
        features = body(torch.randn(2, *shape))
    assert body.width == width
    assert features.shape == (2, width)
    assert features.dtype == torch.float32


def test_pixels_are_the_flattened_image() -> None:
    images = torch.randn(3, 1, 4, 4)
    torch.testing.assert_close(build("pixels", {"size": 4, "channels": 1})(images), images.reshape(3, 16))


def test_small_image_resnet_keeps_the_resolution_in_its_stem() -> None:
    network = build("resnet18-small-images", {}).network
    assert torch.nn.Sequential(network.conv1, network.maxpool)(torch.randn(1, 3, 8, 8)).shape == (1, 64, 8, 8)


def test_seed_decides_the_weights_and_the_global_generator_stays_untouched() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (initialise("small-convnet", {}, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["network.0.weight"], other["network.0.weight"])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("small-convet", {}, "did you mean 'small-convnet'"),
        ("torchvision:resnet5", {}, "did you mean 'resnet50'"),
        ("timm:vit_tiny_patch16_22", {}, "did you mean 'vit_tiny_patch16_224'"),
        ("timm:ig_resnext101_32x48d", {}, "timm has no model"),  # an old alias that builds another network
        ("timm:test_vit", {"pretrained": True}, "'pretrained' is set by this library"),
        ("torchvision:squeezenet1_0", {}, "no linear classifier"),
        ("small-convnet", {"width": [8]}, "'width'"),
        ("small-convnet", {"widths": [8, 8], "strides": [1]}, "same length"),
        ("pixels", {}, "size"),
    ],
)
def test_unknown_names_and_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, options)
