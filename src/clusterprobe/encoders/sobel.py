"""Images as edges: the input of DeepCluster (arXiv 1807.05520), and a variant of MMDC (arXiv 1912.02678)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional


class SobelInput(nn.Module):
    """A network behind a Sobel filter, which maps images [B, C, S, S] to their slopes [B, 2, S, S].

    First the horizontal, then the vertical slope of the mean over the channels; beyond the border the image
    goes on as it ends. Nothing of the filter is trained or saved: it is part of the architecture, the same in
    training and evaluation.
    """

    kernels: torch.Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        slope = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
        self.register_buffer("kernels", torch.stack([slope, slope.T])[:, None], persistent=False)
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grey = functional.pad(images.mean(dim=1, keepdim=True), (1, 1, 1, 1), mode="replicate")
        features: torch.Tensor = self.network(functional.conv2d(grey, self.kernels.to(grey.dtype)))
        return features
