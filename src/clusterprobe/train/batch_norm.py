"""Batch normalisation with the statistics of the global batch, on CPU and GPU alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clusterprobe.train.distributed import all_sum, is_distributed


class GlobalBatchNorm(_BatchNorm):
    """nn.BatchNorm* whose mean and variance are taken over all processes (torch's own needs CUDA for that).

    Mean first, then the centred second moment: two small messages, no cancellation. Processes may hold
    different numbers of images.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected [B, C, ...], got {list(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise [B, C, ...] over all dimensions but the channels, and over the processes."""
        if not (self.training and is_distributed()):
            return super().forward(input)
        others = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        values = input.float()
        count = all_sum(values.new_tensor([float(values.numel() // values.shape[1])]))
        mean = all_sum(values.sum(dim=others)) / count
        centred = values - mean.view(shape)
        variance = all_sum(centred.square().sum(dim=others)) / count
        self._update_running(mean.detach(), (variance * count / (count - 1)).detach())
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(input.dtype)

    def _update_running(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(unbiased_variance, momentum)


def use_global_batch_norm(module: nn.Module) -> None:
    """Replace every nn.BatchNorm* inside `module`, in place; parameters, buffers and their names stay."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, GlobalBatchNorm):
            setattr(module, name, _converted(child))
        else:
            use_global_batch_norm(child)


def _converted(source: _BatchNorm) -> GlobalBatchNorm:
    target = GlobalBatchNorm(
        source.num_features, source.eps, source.momentum, source.affine, source.track_running_stats
    )
    target.weight, target.bias = source.weight, source.bias
    target.running_mean, target.running_var = source.running_mean, source.running_var
    target.num_batches_tracked = source.num_batches_tracked
    return target.train(source.training)
