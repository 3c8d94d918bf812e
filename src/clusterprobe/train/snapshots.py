"""Features of some images at some places of a training, so that its course can be shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.train.objective import Objective

SNAPSHOTS = "snapshots"

Plain = Callable[[str], Iterator[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class SnapshotOptions:
    """After how many epochs (0: before the first) features are kept, of how many images to choose by."""

    epochs: Sequence[int]
    images: int = 500

    def __post_init__(self) -> None:
        if self.images < 1 or any(epoch < 0 for epoch in self.epochs):
            raise ValueError(f"images must be positive and no epoch negative: {self.images}, {self.epochs}")


@dataclass
class Snapshots:
    """The pooled features of the images of the set "selection" at `rows` int64 [M], so far as they are taken.

    Attributes:
        taken: float32 [M, D] by the number of epochs that lay behind. They are part of the resume state.
    """

    epochs: frozenset[int]
    rows: Tensor
    taken: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, options: SnapshotOptions, total: int | None) -> Snapshots:
        """Return what keeps images at equal distances among `total`; raises UserError if there are none."""
        if not total:
            raise UserError(
                "training: snapshots are of the images of `selection`, which the job does not give"
            )
        rows = torch.linspace(0, total - 1, min(options.images, total), dtype=torch.float64).round().long()
        return cls(frozenset(options.epochs), rows)

    def take(self, objective: Objective, epoch: int, plain: Plain) -> None:
        """Keep the features after `epoch` epochs if they are asked for: of the network in evaluation mode,
        with its weights as they are (averages of weights come at the end). Modes stay what they were."""
        if epoch not in self.epochs:
            return
        body = objective.networks().body
        modes = [(module, module.training) for module in body.modules()]
        body.eval()
        self.taken[epoch] = torch.cat(list(self._features(body, plain)))
        for module, mode in modes:
            module.training = mode

    @torch.no_grad()
    def _features(self, body: nn.Module, plain: Plain) -> Iterator[Tensor]:
        for block, images in plain("selection"):
            chosen = torch.isin(block, self.rows)
            if chosen.any():
                yield body(images[chosen.to(images.device)]).float().cpu()

    def found(self) -> Mapping[str, Tensor]:
        """Return the snapshots as what a training found: features [E, M, D], their epochs [E], rows [M]."""
        epochs = sorted(self.taken)
        if not epochs:
            return {}
        features = torch.stack([self.taken[epoch] for epoch in epochs])
        return {SNAPSHOTS: features, "snapshot_epochs": torch.tensor(epochs), "snapshot_rows": self.rows}
