"""Row numbers -> batches of normalised views on the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.augment import Augmentation
from clusterprobe.images.batches import TrainingImages
from clusterprobe.images.seeds import make_generator
from clusterprobe.train import distributed
from clusterprobe.train.objective import Batch, Objective, View

_PLAIN_BATCH = 256


class ViewSource(Protocol):
    """Where the views of a training come from: images, or features in their place."""

    device: torch.device

    def __len__(self) -> int:
        """Number of training images."""
        ...

    def batches(
        self, objective: Objective, rows: Sequence[Tensor], epoch: int, first_step: int = 0
    ) -> Iterator[Batch]:
        """The batches of an epoch from `first_step` on; `rows` holds the global batch of every step."""
        ...

    def plain(self, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows, un-augmented views) of a whole image set, in order, in every process."""
        ...


@dataclass
class ViewMaker:
    """Reads, augments and normalises the images that an objective asks for.

    Augmentation parameters are drawn for the global batch from (seed, epoch, step, number of the view), then
    cut to this process's share: any number of processes sees the same views.

    Attributes:
        images: image sets by name; "train" is the one that is trained on.
        augmentations: by name; "plain" is the one without steps.
        mean, std: per channel, of images in [0, 1].
    """

    images: Mapping[str, TrainingImages]
    augmentations: Mapping[str, Augmentation]
    mean: Sequence[float]
    std: Sequence[float]
    seed: int
    device: torch.device

    def __len__(self) -> int:
        """Return the number of training images."""
        return len(self.images["train"])

    def batches(
        self, objective: Objective, rows: Sequence[Tensor], epoch: int, first_step: int = 0
    ) -> Iterator[Batch]:
        """Yield the batches of an epoch from `first_step` on; `rows` holds the global batch of every step."""
        planned: deque[list[View]] = deque()

        def wanted() -> Iterator[Tensor]:
            for step in range(first_step, len(rows)):
                generator = make_generator(self.seed, "views", epoch, step)
                views = list(objective.views(rows[step], generator))
                planned.append(views)
                yield torch.cat([indices[distributed.share(len(indices))] for indices in _distinct(views)])

        for step, read in enumerate(self.images["train"].stream(wanted()), start=first_step):
            views = planned.popleft()
            distinct = _distinct(views)
            sizes = [len(i[distributed.share(len(i))]) for i in distinct]
            pixels = torch.split(self._to_unit(read), sizes)
            own = {id(indices): part for indices, part in zip(distinct, pixels, strict=True)}
            looks = tuple(
                self._look(own[id(view.indices)], view, epoch, step, number)
                for number, view in enumerate(views)
            )
            yield Batch(epoch, step, rows[step][distributed.share(len(rows[step]))], looks)

    def plain(self, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (rows, normalised un-augmented images) of a whole image set, in order, in every process."""
        if name not in self.images:
            raise UserError(f"this objective needs the image set {name!r}, which the job does not give")
        rows = torch.split(torch.arange(len(self.images[name])), _PLAIN_BATCH)
        for block, read in zip(rows, self.images[name].stream(iter(rows)), strict=True):
            images = self._to_unit(read)
            yield block, self._normalise(self.augmentations["plain"].apply(images, ()))

    def _look(self, images: Tensor, view: View, epoch: int, step: int, number: int) -> Tensor:
        if view.augmentation not in self.augmentations:
            hint = nearest(view.augmentation, self.augmentations)
            raise UserError(
                f"the job has no augmentation {view.augmentation!r}, which its objective asks for; {hint}"
            )
        augmentation = self.augmentations[view.augmentation]
        generator = make_generator(self.seed, "augment", epoch, step, number)
        shape = self.images["train"].shape
        drawn = augmentation.draw(len(view.indices), shape, generator)
        share = distributed.share(len(view.indices))
        return self._normalise(augmentation.apply(images, tuple(values[share] for values in drawn)))

    def _to_unit(self, read: Tensor) -> Tensor:
        return read.to(self.device, non_blocking=True).float() / 255

    def _normalise(self, images: Tensor) -> Tensor:
        mean = torch.tensor(self.mean, device=self.device).view(1, -1, 1, 1)
        std = torch.tensor(self.std, device=self.device).view(1, -1, 1, 1)
        images = (images - mean) / std
        return images.contiguous(memory_format=torch.channels_last) if self.device.type == "cuda" else images


def _distinct(views: Sequence[View]) -> list[Tensor]:
    """Index tensors without repeats of the same object, so that views of the same images share one read."""
    return list({id(view.indices): view.indices for view in views}.values())
