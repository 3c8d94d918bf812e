"""Networks by name: images in, one feature vector per image out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.encoders.alexnet import AlexNet
from clusterprobe.encoders.resnet_sk import WideResNet
from clusterprobe.encoders.saved_model import SavedModel
from clusterprobe.encoders.sobel import SobelInput


class Body(nn.Module):
    """An encoder without its heads: forward maps images [B, C, S, S] float32 to features [B, width].

    `network` is the module under the names its publisher gave the weights; files hold those names. `pooling`
    says how one vector per image comes about: average, class token, signature, or null for anything else.
    """

    def __init__(self, network: nn.Module, width: int, pooling: str | None = None) -> None:
        super().__init__()
        self.network = network
        self.width = width
        self.pooling = pooling

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.network(images)
        return features


def build(name: str, options: Mapping[str, Any]) -> Body:
    """Return the untrained body `name`; raises UserError for an unknown name or option.

    Names: pixels, small-convnet, small-vgg, resnet18-small-images, alexnet, wide-resnet (see resnet_sk),
    saved-model (see saved_model), torchvision:NAME, timm:NAME. The option `sobel: true` puts `SobelInput`
    before a network that has the option `channels`.
    """
    if "sobel" in options:
        options = dict(options)
        if options.pop("sobel"):
            body = build(name, options | {"channels": 2})
            return Body(SobelInput(body.network), body.width, body.pooling)
    library, colon, model = name.partition(":")
    try:
        if colon and library in _LIBRARIES:
            return _LIBRARIES[library](model, dict(options))
        if name in _OWN:
            return _OWN[name](**options)
    except (TypeError, AssertionError) as error:
        raise UserError(f"architecture {name!r}: the options {dict(options)} do not fit: {error}") from error
    choices = [*_OWN, *(f"{library}:NAME" for library in _LIBRARIES)]
    raise UserError(f"unknown architecture {name!r}: {nearest(name, choices)}")


def initialise(name: str, options: Mapping[str, Any], seed: int) -> Body:
    """Return the body `name` with the random weights of `seed`; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build(name, options)


def _pixels(size: int, channels: int = 3) -> Body:
    return Body(nn.Flatten(), channels * size * size)


def _small_convnet(
    channels: int = 3,
    widths: Sequence[int] = (32, 64, 128),
    strides: Sequence[int] | None = None,
    standardise: bool = False,
) -> Body:
    """3x3 convolutions with BatchNorm and ReLU, then the mean over space; for images of 8 to 32 pixels.

    With `standardise` every feature has mean 0 and variance 1, as heads want it that begin near weight 0.
    """
    strides = [1] + [2] * (len(widths) - 1) if strides is None else strides
    if not widths or len(strides) != len(widths):
        raise TypeError("widths and strides must be lists of the same length, at least 1")
    blocks: list[nn.Module] = []
    for before, after, stride in zip((channels, *widths), widths, strides, strict=False):
        blocks += [
            nn.Conv2d(before, after, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(inplace=True),
        ]
    for block in blocks:
        if isinstance(block, nn.Conv2d):
            nn.init.kaiming_normal_(block.weight, mode="fan_out", nonlinearity="relu")
    last = [nn.BatchNorm1d(widths[-1], affine=False)] if standardise else []
    return Body(nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *last), widths[-1], "average")


def _small_vgg(channels: int = 3, size: int = 32, widths: Sequence[int] = (32, 64, 128, 256)) -> Body:
    """Blocks of a 3x3 convolution, BatchNorm, ReLU and 2x2 max-pool, then every pixel that is left.

    With its defaults the network that MMDC (arXiv 1912.02678) has for MNIST, for images of `size` pixels.
    """
    blocks: list[nn.Module] = []
    for before, after in zip((channels, *widths), widths, strict=False):
        convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        blocks += [convolution, nn.BatchNorm2d(after), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    left = size // 2 ** len(widths)
    if not widths or left < 1:
        raise TypeError(f"images of {size} pixels are too small for {len(widths)} blocks")
    return Body(nn.Sequential(*blocks, nn.Flatten()), widths[-1] * left**2)


def _resnet18_small_images(channels: int = 3, max_pool: bool = False) -> Body:
    """ResNet-18 with the stem used for CIFAR: one 3x3 convolution of stride 1 and no max-pool.

    With `max_pool`, of 2x2 pixels, as SCAN (arXiv 2005.12320) has it for the 96 pixels of STL-10.
    """
    from torchvision.models import resnet18

    network = resnet18(weights=None)
    network.conv1 = nn.Conv2d(channels, 64, 3, stride=1, padding=1, bias=False)
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.MaxPool2d(2, stride=2, padding=1) if max_pool else nn.Identity()
    return Body(network, _drop_classifier(network, "resnet18"), "average")


def _alexnet(**options: Any) -> Body:
    network = AlexNet(**options)
    return Body(network, network.width)


def _wide_resnet(**options: Any) -> Body:
    network = WideResNet(**options)
    return Body(network, network.width, "average")


def _saved_model(**options: Any) -> Body:
    network = SavedModel(**options)
    return Body(network, network.width, "signature")


def _torchvision(name: str, options: dict[str, Any]) -> Body:
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        raise UserError(f"torchvision has no model {name!r}: {nearest(name, known)}")
    try:
        network = models.get_model(name, weights=None, **options)
    except ValueError as error:
        raise UserError(f"torchvision:{name}: the options {options} do not fit: {error}") from error
    pooling = "class token" if hasattr(network, "class_token") else None
    if getattr(getattr(network, "avgpool", None), "output_size", None) in (1, (1, 1)):
        pooling = "average"
    return Body(network, _drop_classifier(network, name), pooling)


def _timm(name: str, options: dict[str, Any]) -> Body:
    import timm

    base, _, tag = name.partition(".")
    known = timm.list_models()
    if base not in known or (tag and name not in timm.list_models(pretrained=True)):
        raise UserError(f"timm has no model {name!r}: {nearest(name, known)}")
    for reserved in {"pretrained", "num_classes"} & options.keys():
        raise UserError(f"timm:{name}: the option {reserved!r} is set by this library: remove it")
    network = timm.create_model(name, pretrained=False, num_classes=0, **options)
    width: Any = getattr(network, "head_hidden_size", None) or network.num_features
    pool: Any = getattr(network, "global_pool", None)
    return Body(network, int(width), _TIMM_POOLING.get(getattr(pool, "pool_type", pool)))


def _drop_classifier(network: nn.Module, name: str) -> int:
    """Replace the last linear layer of the classifier by the identity; return the width before it."""
    for attribute in ("fc", "classifier", "heads", "head"):
        if hasattr(network, attribute):
            layers = [
                (f"{attribute}.{path}".rstrip("."), layer)
                for path, layer in getattr(network, attribute).named_modules()
                if isinstance(layer, nn.Linear)
            ]
            if layers:
                path, last = layers[-1]
                parent, _, child = path.rpartition(".")
                setattr(network.get_submodule(parent), child, nn.Identity())
                return last.in_features
    raise UserError(f"torchvision:{name} has no linear classifier to take off: choose another architecture")


_TIMM_POOLING = {"avg": "average", "token": "class token"}
_OWN: dict[str, Callable[..., Body]] = {
    "pixels": _pixels,
    "small-convnet": _small_convnet,
    "small-vgg": _small_vgg,
    "resnet18-small-images": _resnet18_small_images,
    "alexnet": _alexnet,
    "wide-resnet": _wide_resnet,
    "saved-model": _saved_model,
}
_LIBRARIES: dict[str, Callable[[str, dict[str, Any]], Body]] = {"torchvision": _torchvision, "timm": _timm}
