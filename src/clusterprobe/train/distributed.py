"""Several processes that train one network on one global batch, as torchrun starts them.

With one process every function here is the identity. The rule behind them: each process holds a contiguous
share of the global batch, computes the loss of the *whole* batch from gathered outputs, and the gradients
are averaged; the result is the gradient that one process would have found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes that torchrun started, for as long as the block lasts; alone, do nothing."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def is_distributed() -> bool:
    """Whether there is more than one process."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def rank() -> int:
    """Number of this process, from 0."""
    return dist.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Number of processes."""
    return dist.get_world_size() if is_distributed() else 1


def choose_device(wanted: str = "auto") -> torch.device:
    """Return this process's device for "auto", "cpu" or "cuda"."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    return (
        torch.device(wanted, int(os.environ.get("LOCAL_RANK", "0")))
        if wanted == "cuda"
        else torch.device(wanted)
    )


def share(count: int) -> slice:
    """Return this process's part of `count` rows: contiguous, in order of rank, sizes differing by at most
    one."""
    return slice(count * rank() // world_size(), count * (rank() + 1) // world_size())


def gather(values: Tensor) -> Tensor:
    """Concatenate the rows of all processes [b, ...] -> [B, ...], in order of rank; gradients flow back."""
    gathered: Tensor = _Gather.apply(values) if is_distributed() else values
    return gathered


def all_sum(values: Tensor) -> Tensor:
    """Add a tensor up over the processes; gradients flow back."""
    summed: Tensor = _AllSum.apply(values) if is_distributed() else values
    return summed


def maximum(value: int) -> int:
    """Return the largest of the processes' numbers, the same everywhere."""
    if not is_distributed():
        return value
    shared = torch.tensor([value])
    dist.all_reduce(shared, op=dist.ReduceOp.MAX)
    return int(shared)


def from_first(payload: bytes | None) -> bytes | None:
    """Return what the first process holds, in every process."""
    if not is_distributed():
        return payload
    box = [payload]
    dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    return box[0]


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Replace every gradient by its mean over the processes, in one message."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not is_distributed() or not gradients:
        return
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


class _AllSum(torch.autograd.Function):
    """Sum over processes; the gradient of every term is the sum of the processes' gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        summed = values.detach().clone().contiguous()
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone().contiguous()
        dist.all_reduce(summed)
        return summed


class _Gather(torch.autograd.Function):
    """Rows of all processes, also where their numbers differ; the gradient comes back summed over
    processes."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        counts = torch.zeros(world_size(), dtype=torch.int64)
        counts[rank()] = len(values)
        dist.all_reduce(counts)
        sizes = [int(count) for count in counts]
        padded = values.new_zeros(max(sizes), *values.shape[1:])
        padded[: len(values)] = values.detach()
        parts = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(parts, padded)
        ctx.own = slice(sum(sizes[: rank()]), sum(sizes[: rank() + 1]))
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        summed = gradient.clone().contiguous()
        dist.all_reduce(summed)
        return summed[ctx.own]
