"""Learning rates over a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from clusterprobe.config.errors import nearest

NAMES = ("constant", "cosine", "steps")


@dataclass(frozen=True)
class Schedule:
    """How the learning rate runs; it is set once per epoch.

    Attributes:
        name: constant, cosine (half a cosine from 1 down to `minimum_ratio`) or steps (times `factor` at
            every milestone).
        minimum_ratio: where the cosine ends, as a share of the base rate.
        warmup_epochs: the first epochs run at 1/w, 2/w, ... w/w of the base rate; the schedule follows them.
        milestones: epochs (from 0) from which on the rate is lower, for `steps`.
        factor: how much lower, for `steps`.
    """

    name: str = "constant"
    minimum_ratio: float = 0.0
    warmup_epochs: int = 0
    milestones: Sequence[int] = ()
    factor: float = 0.1

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ValueError(f"there is no schedule {self.name!r}; {nearest(self.name, NAMES)}")
        if not 0 <= self.minimum_ratio <= 1:
            raise ValueError(f"minimum_ratio must lie between 0 and 1, not {self.minimum_ratio}")

    def ratio(self, epoch: int, epochs: int) -> float:
        """Share of the base learning rate in `epoch` (from 0) of `epochs`.

        Cosine without warm-up is m + (1 - m) (1 + cos(pi e / E)) / 2 with m = `minimum_ratio`, as in SCAN's
        pretext.
        """
        if epoch < self.warmup_epochs:
            return (epoch + 1) / self.warmup_epochs
        if self.name == "cosine":
            done = (epoch - self.warmup_epochs) / max(1, epochs - self.warmup_epochs)
            return self.minimum_ratio + (1 - self.minimum_ratio) * (1 + math.cos(math.pi * done)) / 2
        if self.name == "steps":
            return self.factor ** sum(epoch >= milestone for milestone in self.milestones)
        return 1.0
