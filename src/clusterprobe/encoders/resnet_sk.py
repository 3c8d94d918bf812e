"""ResNets of any width, with selective kernels on request, and with the paddings of TensorFlow.

The networks of SimCLR (arXiv 2002.05709, 2006.10029), BYOL (2006.07733) and of the wide ResNet-50s of SwAV
and VICReg. Names of tensors are those of torchvision; modules are created in the order in which SimCLR's
code creates them, because its checkpoints only number them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn
from torch.nn import functional

Padding = Literal["symmetric", "same-pool", "same"]
"""symmetric: as torchvision. same: as TensorFlow's SAME, which puts the odd pixel at the end. same-pool: SAME
at the max-pool only, as SimCLR."""

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3), 200: (3, 24, 36, 3)}
_EXPANSION = 4
_SQUEEZE, _LEAST_SQUEEZED = 1 / 16, 32  # sk_ratio 0.0625 and min_dim of SimCLRv2


class WideResNet(nn.Module):
    """Bottleneck ResNet of `depth` with all widths multiplied: images [B, 3, S, S] to [B, 2048 * width].

    `selective_kernels` also brings the stem and the shortcuts of ResNet-D (arXiv 1812.01187), as in SimCLRv2.
    `base` is the number of channels of the stem at width 1.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 1,
        selective_kernels: bool = False,
        padding: Padding = "symmetric",
        base: int = 64,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS or padding not in ("symmetric", "same-pool", "same"):
            raise TypeError(f"depth must be one of {sorted(BLOCKS)}, padding symmetric, same-pool or same")
        same = padding == "same"
        channels = base * width
        self.conv1 = (
            _deep_stem(channels, same) if selective_kernels else _Convolution(3, channels, 7, 2, same)
        )
        self.bn1 = nn.BatchNorm2d(channels)
        self.maxpool = _MaxPool(padding != "symmetric")
        before = channels
        for number, blocks in enumerate(BLOCKS[depth]):
            filters = channels * 2**number
            layer = nn.Sequential()
            for block in range(blocks):
                stride = 2 if number and not block else 1
                layer.append(_Bottleneck(before, filters, stride, not block, selective_kernels, same))
                before = filters * _EXPANSION
            self.add_module(f"layer{number + 1}", layer)
        self.width = before
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.maxpool(functional.relu(self.bn1(self.conv1(images))))
        for layer in ("layer1", "layer2", "layer3", "layer4"):
            maps = self.get_submodule(layer)(maps)
        return maps.mean((2, 3))


class _Convolution(nn.Conv2d):
    """A convolution without bias that keeps the size, or divides it by the stride."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, same: bool = False) -> None:
        super().__init__(before, after, kernel, stride, padding=0 if same else kernel // 2, bias=False)
        self.same = same

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        maps = _pad_same(input, self.kernel_size[0], self.stride[0]) if self.same else input
        return super().forward(maps)


class _MaxPool(nn.Module):
    """The maximum over 3x3 at stride 2."""

    def __init__(self, same: bool) -> None:
        super().__init__()
        self.same = same

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if self.same:
            return functional.max_pool2d(_pad_same(maps, 3, 2, -math.inf), 3, 2)
        return functional.max_pool2d(maps, 3, 2, padding=1)


class _Bottleneck(nn.Module):
    """1x1, 3x3 (or selective kernels), 1x1 convolution, and the shortcut."""

    def __init__(
        self, before: int, filters: int, stride: int, projected: bool, selective: bool, same: bool
    ) -> None:
        super().__init__()
        after = filters * _EXPANSION
        self.pool = _ShortcutPool(stride) if projected and selective else nn.Identity()
        self.downsample = (
            nn.Identity() if not projected else _projection(before, after, stride, selective, same)
        )
        self.conv1 = _Convolution(before, filters, 1)
        self.bn1 = nn.BatchNorm2d(filters)
        self.selective = selective
        if selective:
            self.conv2: nn.Module = _SelectiveKernels(filters, stride, same)
        else:
            self.conv2 = _Convolution(filters, filters, 3, stride, same)
            self.bn2 = nn.BatchNorm2d(filters)
        self.conv3 = _Convolution(filters, after, 1)
        self.bn3 = nn.BatchNorm2d(after)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        inner = self.conv2(functional.relu(self.bn1(self.conv1(maps))))
        if not self.selective:
            inner = functional.relu(self.bn2(inner))
        return functional.relu(self.bn3(self.conv3(inner)) + self.downsample(self.pool(maps)))


class _SelectiveKernels(nn.Module):
    """Two 3x3 streams, mixed channel by channel by weights that depend on both (arXiv 1903.06586)."""

    def __init__(self, filters: int, stride: int, same: bool) -> None:
        super().__init__()
        squeezed = max(int(filters * _SQUEEZE), _LEAST_SQUEEZED)
        self.conv = _Convolution(filters, 2 * filters, 3, stride, same)
        self.bn = nn.BatchNorm2d(2 * filters)
        self.squeeze = _Convolution(filters, squeezed, 1)
        self.squeeze_bn = nn.BatchNorm2d(squeezed)
        self.mix = _Convolution(squeezed, 2 * filters, 1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        one, other = functional.relu(self.bn(self.conv(maps))).chunk(2, dim=1)
        pooled = (one + other).mean((2, 3), keepdim=True)
        mixing = self.mix(functional.relu(self.squeeze_bn(self.squeeze(pooled))))
        share = torch.stack(mixing.chunk(2, dim=1)).softmax(0)
        return one * share[0] + other * share[1]


class _ShortcutPool(nn.Module):
    """The mean over 2x2 before a projected shortcut; at stride 1 pixels beyond the edge do not count."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        edge = functional.pad(maps, (0, 1, 0, 1), mode="constant" if self.stride > 1 else "replicate")
        return functional.avg_pool2d(edge, 2, self.stride)


def _deep_stem(channels: int, same: bool) -> nn.Sequential:
    half = channels // 2
    return nn.Sequential(
        _Convolution(3, half, 3, 2, same),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        _Convolution(half, half, 3),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        _Convolution(half, channels, 3),
    )


def _projection(before: int, after: int, stride: int, pooled: bool, same: bool) -> nn.Sequential:
    convolution = _Convolution(before, after, 1, 1 if pooled else stride, same)
    return nn.Sequential(convolution, nn.BatchNorm2d(after))


def _pad_same(maps: torch.Tensor, kernel: int, stride: int, fill: float = 0.0) -> torch.Tensor:
    height, width = (
        max((math.ceil(side / stride) - 1) * stride + kernel - side, 0) for side in maps.shape[-2:]
    )
    sides = (width // 2, width - width // 2, height // 2, height - height // 2)
    return functional.pad(maps, sides, value=fill)
