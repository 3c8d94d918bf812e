"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn, optim

from clusterprobe.config.errors import nearest

NAMES = ("adam", "adamw", "sgd")


@dataclass(frozen=True)
class Optimiser:
    """Which optimiser, with which constants.

    Attributes:
        name: sgd, adam or adamw.
        learning_rate: base rate; the schedule scales it.
        weight_decay: L2 for sgd and adam, decoupled for adamw.
        decay: "all" parameters, or only "weights" (no biases, no parameters of normalisation layers).
        momentum, nesterov: sgd only.
        betas: adam and adamw only.
    """

    name: str
    learning_rate: float
    weight_decay: float = 0.0
    decay: str = "all"
    momentum: float = 0.9
    nesterov: bool = False
    betas: Sequence[float] = (0.9, 0.999)

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"there is no optimiser {self.name!r}; {nearest(self.name, NAMES)}")
        if self.decay not in ("all", "weights"):
            raise ValueError(f"decay must be 'all' or 'weights', not {self.decay!r}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, not {self.learning_rate}")

    def make(self, parameters: Sequence[nn.Parameter]) -> optim.Optimizer:
        """Make the optimiser for the parameters that train."""
        decayed = [p for p in parameters if self.decay == "all" or p.ndim > 1]
        spared = [p for p in parameters if not (self.decay == "all" or p.ndim > 1)]
        groups = [
            {"params": decayed, "weight_decay": self.weight_decay},
            {"params": spared, "weight_decay": 0.0},
        ]
        groups = [group for group in groups if group["params"]]
        if self.name == "sgd":
            return optim.SGD(groups, self.learning_rate, momentum=self.momentum, nesterov=self.nesterov)
        kind = optim.Adam if self.name == "adam" else optim.AdamW
        return kind(groups, self.learning_rate, betas=(self.betas[0], self.betas[1]))
