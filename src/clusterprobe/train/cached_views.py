"""Row numbers -> batches of features of augmented images, for a training that leaves its body as it is.

A body that does not change gives the same view the same features at every visit. They are extracted once, and
what is left to do fits a CPU: heads on features (SCAN, arXiv 2005.12320, trains ten heads so on ImageNet, but
with fresh augmentations). There are as many different views of an image as were extracted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clusterprobe.config.errors import UserError
from clusterprobe.images.seeds import make_generator
from clusterprobe.store.rows import Rows
from clusterprobe.train import distributed
from clusterprobe.train.objective import Batch, Objective, View

_PLAIN_BATCH = 4096


@dataclass(frozen=True)
class CachedViews:
    """Features in place of images: what the body made of them.

    Attributes:
        views: of augmented views [N * V, D], the V views of an image one after the other.
        plain: of un-augmented images, by the name of their set: "train" [N, D]; "selection" if there is one.
    """

    views: Rows
    plain: Mapping[str, Rows]

    def __post_init__(self) -> None:
        images, widths = len(self), {rows.shape[1] for rows in (self.views, *self.plain.values())}
        if self.views.shape[0] == 0 or self.views.shape[0] % images or len(widths) != 1:
            raise UserError(
                f"cached views of shape {list(self.views.shape)} do not belong to {images} images with "
                f"features of width {self.plain['train'].shape[1]}: extract them again"
            )

    def __len__(self) -> int:
        """Return the number of training images."""
        return self.plain["train"].shape[0]

    @property
    def count(self) -> int:
        """The number of views of each image."""
        return self.views.shape[0] // len(self)


@dataclass
class CachedViewReader:
    """Reads the features of the images that an objective asks for: of a view drawn at random at every visit.

    Views are drawn for the global batch from (seed, epoch, step, number of the view), then cut to this
    process's share: any number of processes sees the same views.
    """

    cached: CachedViews
    seed: int
    device: torch.device

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self.cached)

    def batches(
        self, objective: Objective, rows: Sequence[Tensor], epoch: int, first_step: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch from `first_step` on; `rows` holds the global batch of every step."""
        for step in range(first_step, len(rows)):
            views = objective.views(rows[step], make_generator(self.seed, "views", epoch, step))
            looks = tuple(self._look(view, epoch, step, number) for number, view in enumerate(views))
            yield Batch(epoch, step, rows[step][distributed.share(len(rows[step]))], looks)

    def plain(self, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (rows, features of the un-augmented images) of a whole set, in order, in every process."""
        if name not in self.cached.plain:
            raise UserError(f"this objective needs the image set {name!r}, which the job does not give")
        first = 0
        for block in self.cached.plain[name].blocks(_PLAIN_BATCH):
            yield torch.arange(first, first + len(block)), torch.from_numpy(block).to(self.device)
            first += len(block)

    def _look(self, view: View, epoch: int, step: int, number: int) -> Tensor:
        share = distributed.share(len(view.indices))
        if view.augmentation == "plain":
            return self._take(self.cached.plain["train"], view.indices[share])
        if view.augmentation != "train":
            raise UserError(
                f"there are no cached views of the augmentation {view.augmentation!r}, which this objective "
                "asks for: leave `cached_views` out"
            )
        generator = make_generator(self.seed, "cached view", epoch, step, number)
        drawn = torch.randint(self.cached.count, view.indices.shape, generator=generator)
        return self._take(self.cached.views, (view.indices * self.cached.count + drawn)[share])

    def _take(self, rows: Rows, indices: Tensor) -> Tensor:
        return torch.from_numpy(rows.take(indices.numpy())).to(self.device, non_blocking=True)
