"""Everything a run needs to go on as though it had never stopped, and the file it is kept in."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from clusterprobe.store.state import load_state, save_state
from clusterprobe.train import distributed
from clusterprobe.train.exponential_average import ExponentialAverage
from clusterprobe.train.objective import Objective
from clusterprobe.train.snapshots import Snapshots


@dataclass
class TrainingState:
    """A run: its networks and optimisers (by name), where it is, and its log.

    Random numbers are no part of it: they follow from seed, epoch and step.

    Attributes:
        epoch, step: the next step to take; `step` equals the steps of an epoch when only its end is missing.
        sums: what is averaged into the log line of this epoch: sum over steps, a float64 scalar, and number
            of steps.
        taken: steps of this epoch that were not skipped.
        log: finished lines of the log.
        snapshots: features that are kept on the way, if any are asked for.
    """

    objective: Objective
    optimisers: Mapping[str, Optimizer]
    average: ExponentialAverage | None = None
    epoch: int = 0
    step: int = 0
    taken: int = 0
    sums: dict[str, tuple[Tensor, int]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    snapshots: Snapshots | None = None

    def to_bytes(self) -> bytes:
        """Serialise with torch.save: plain containers and tensors only."""
        buffer = io.BytesIO()
        torch.save(
            {
                "objective": self.objective.state_dict(),
                "optimisers": {name: each.state_dict() for name, each in self.optimisers.items()},
                "average": self.average.state_dict() if self.average else None,
                "position": {"epoch": self.epoch, "step": self.step, "taken": self.taken},
                "sums": self.sums,
                "log": self.log,
                "snapshots": self.snapshots.taken if self.snapshots else {},
            },
            buffer,
        )
        return buffer.getvalue()

    def restore(self, payload: bytes, device: torch.device) -> None:
        """Take over a serialised state; nothing in it is executed."""
        saved: dict[str, Any] = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
        self.objective.load_state_dict(saved["objective"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(saved["optimisers"][name])
        if self.average:
            self.average.load_state_dict(saved["average"])
        self.epoch, self.step, self.taken = (saved["position"][key] for key in ("epoch", "step", "taken"))
        self.sums, self.log = saved["sums"], saved["log"]
        if self.snapshots:
            self.snapshots.taken = {epoch: taken.cpu() for epoch, taken in saved["snapshots"].items()}


@dataclass
class Checkpoint:
    """Where the state of a run is kept, for whom, and how often it is written; no path, no state.

    The fingerprint stands for everything that the run depends on: a state with another one is not resumed.
    The first process reads and writes for all.
    """

    path: Path | None = None
    fingerprint: str = ""
    every_seconds: float = 60.0
    _last: float = field(default_factory=time.monotonic)

    def load(self) -> bytes | None:
        """Return the saved state, or None if there is none that fits."""
        own = load_state(self.path, self.fingerprint) if self.path and distributed.rank() == 0 else None
        return distributed.from_first(own)

    def save(self, state: TrainingState) -> None:
        """Write the state, atomically."""
        if self.path and distributed.rank() == 0:
            save_state(self.path, state.to_bytes(), self.fingerprint)
        self._last = time.monotonic()

    def save_if_due(self, state: TrainingState) -> None:
        """Write the state if the last time is `every_seconds` ago."""
        if time.monotonic() - self._last >= self.every_seconds:
            self.save(state)
