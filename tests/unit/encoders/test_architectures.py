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
        ("resnet18-small-images", {"max_pool": True}, (3, 96, 96), 512),
        ("resnet18-small-images", {"sobel": True, "max_pool": True}, (3, 32, 32), 512),
        ("small-convnet", {"sobel": False}, (3, 8, 8), 128),
        ("small-vgg", {"channels": 1}, (1, 32, 32), 1024),
        ("small-vgg", {"size": 64, "sobel": True}, (3, 64, 64), 4096),
        ("small-vgg", {"channels": 1, "size": 8, "widths": [4, 6]}, (1, 8, 8), 24),
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


def test_features_of_the_small_convnet_are_standardised_on_request() -> None:
    body = build("small-convnet", {"standardise": True}).network.train()
    features = body(3 * torch.rand(64, 3, 16, 16) + 1)
    torch.testing.assert_close(features.mean(dim=0), torch.zeros(128), atol=1e-4, rtol=0)
    torch.testing.assert_close(features.std(dim=0, correction=0), torch.ones(128), atol=0.02, rtol=0)
    plain = build("small-convnet", {}).state_dict().keys()
    assert plain < build("small-convnet", {"standardise": True}).state_dict().keys()


def test_small_image_resnet_keeps_the_resolution_in_its_stem() -> None:
    network = build("resnet18-small-images", {}).network
    assert torch.nn.Sequential(network.conv1, network.maxpool)(torch.randn(1, 3, 8, 8)).shape == (1, 64, 8, 8)
    network = build("resnet18-small-images", {"max_pool": True}).network
    stem = torch.nn.Sequential(network.conv1, network.maxpool)
    assert stem(torch.randn(1, 3, 96, 96)).shape == (1, 64, 49, 49)


def test_networks_of_mmdc_have_as_many_parameters_as_its_code() -> None:
    def count(name: str, options: dict[str, Any], outputs: int) -> int:
        body = build(name, options)
        return sum(parameter.numel() for parameter in body.parameters()) + (body.width + 1) * outputs

    assert count("small-vgg", {"channels": 1}, 10) == 398_570
    assert count("resnet18-small-images", {"max_pool": True}, 10 + 4) == 11_176_014  # clusters and rotations


def test_sobel_input_is_the_slope_of_the_brightness() -> None:
    network = build("small-convnet", {"sobel": True, "widths": [2]}).network
    seen = []
    network.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    ramp = torch.stack([2 * columns, 3 * rows, columns - rows])[None]  # mean: columns + 2 / 3 rows
    network(ramp)
    inner = seen[0][0, :, 1:-1, 1:-1]
    torch.testing.assert_close(inner[0], torch.full((4, 4), 8.0))
    torch.testing.assert_close(inner[1], torch.full((4, 4), 8 * 2 / 3))
    network(torch.ones(1, 3, 6, 6))
    assert (seen[1] == 0).all()  # an even image has no edges, not at its border either


def test_sobel_input_is_not_saved() -> None:
    plain, behind = (build("small-convnet", {"channels": 2, "sobel": sobel}) for sobel in (False, True))
    names = {name.replace("network.network.", "network.") for name in behind.state_dict()}
    assert names == plain.state_dict().keys()


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
        ("small-vgg", {"size": 8}, "8 pixels are too small for 4 blocks"),
        ("torchvision:resnet18", {"sobel": True}, "channels"),
    ],
)
def test_unknown_names_and_options_are_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(name, options)
