"""A network that torch compiles for batches of one size."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._dynamo.exc import TorchDynamoException


class CompiledNetwork:
    """Runs batches of `size` images compiled, and others, as the last one of a split, as the network is.

    So it is compiled once, and which images run compiled does not depend on the number of shards. Where the
    compiler cannot be used (no C compiler, a GPU that it does not know) it is said once by `note`, and all
    images run as the network is. Meant for modules in eval mode.
    """

    def __init__(self, network: nn.Module, size: int, note: Callable[[str], None]) -> None:
        self._network, self._size, self._note = network, size, note
        self._compiled: Callable[[Tensor], Tensor] | None = torch.compile(network, dynamic=False)

    def __call__(self, images: Tensor) -> Tensor:
        """Return what the network gives for images [B, C, S, S]."""
        if self._compiled is not None and len(images) == self._size:
            try:
                return self._compiled(images)
            except TorchDynamoException as error:
                self._compiled = None
                cause = getattr(error, "inner_exception", error)
                reason = next(iter(str(cause).splitlines()), type(cause).__name__)
                self._note(f"the network runs as it is, since it cannot be compiled here: {reason}")
        features: Tensor = self._network(images)
        return features
