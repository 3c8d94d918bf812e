"""AlexNet as self-supervised learning probes it: one stream, BatchNorm, in two widths."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

WIDTHS = {"big": (96, 256, 384, 384, 256), "small": (64, 192, 384, 256, 256)}
_KERNELS = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))
_POOLED_AFTER = (0, 1, 4)
_HIDDEN = 4096


class AlexNet(nn.Module):
    """Images [B, C, 224, 224] to features [B, 4096], after the second fully connected layer and its ReLU.

    `features` and `classifier` are named and numbered as in the reference code of SeLa (arXiv 1911.05371).
    The five convolutions, each with BatchNorm and ReLU, are the layers c1 to c5 of linear probes; with
    BatchNorm their ReLUs are features.2, features.6, features.10, features.13 and features.16.

    Args:
        width: "big" (the starred rows of the paper) or "small" (as in torchvision).
        channels: of the images.
        batch_norm: BatchNorm after every convolution.
        dropout: before both fully connected layers.
    """

    def __init__(
        self, width: str = "big", channels: int = 3, batch_norm: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        if width not in WIDTHS:
            raise TypeError(f"width must be one of {', '.join(WIDTHS)}, not {width!r}")
        layers: list[nn.Module] = []
        steps = zip(pairwise((channels, *WIDTHS[width])), _KERNELS, strict=True)
        for number, ((before, after), (kernel, stride, padding)) in enumerate(steps):
            layers.append(nn.Conv2d(before, after, kernel, stride, padding))
            layers += [nn.BatchNorm2d(after)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            layers += [nn.MaxPool2d(3, 2)] if number in _POOLED_AFTER else []
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(WIDTHS[width][-1] * 6 * 6, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
        )
        self.width = _HIDDEN
        self.apply(_initialise)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = self.classifier(self.features(images).flatten(1))
        return features


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
