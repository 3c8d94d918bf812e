"""What a training method must say about itself; the loop knows nothing else of it."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.heads import Head


@dataclass(frozen=True)
class Networks:
    """The body that turns images into features, and named heads on top of it."""

    body: Body
    heads: Mapping[str, Head] = field(default_factory=dict)


@dataclass(frozen=True)
class Setting:
    """What an objective may know of its run before it starts.

    Attributes:
        images: number of training images.
        batch_size: images per step over all processes.
        epochs: length of the run.
        seed: of the run.
        arrays: tensors from outside by name, one row per training image (labels, neighbours): those that
            the objective declares with `needs`.
    """

    images: int
    batch_size: int
    epochs: int
    seed: int
    arrays: Mapping[str, Tensor] = field(default_factory=dict)

    def array(self, name: str) -> Tensor:
        """Return an array that the method cannot do without.

        Raises:
            UserError: the job does not give it, or it was made for another number of images.
        """
        if name not in self.arrays:
            raise UserError(f"this objective needs the array {name!r}, which the job does not give")
        rows = self.arrays[name]
        if len(rows) != self.images:
            raise UserError(
                f"the array {name!r} has {len(rows)} rows for {self.images} training images: it was made for "
                "another set of images"
            )
        return rows


@dataclass(frozen=True)
class View:
    """One look at one image per place of the global batch.

    Attributes:
        indices: rows of the training set, int64 [B]: the batch itself, or companions such as neighbours.
            Views of the same images should share the tensor: they are read once.
        augmentation: name of an augmentation of the job, or "plain".
    """

    indices: Tensor
    augmentation: str = "train"


@dataclass(frozen=True)
class Batch:
    """This process's share of one step.

    Attributes:
        epoch, step: where the run is, from 0.
        indices: rows of the training set, int64 [b].
        views: normalised images [b, C, S, S], one tensor per `View`, in that order; or what a body that does
            not change has made of them, features [b, D], and then the body that the objective has passes
            them on as they are.
    """

    epoch: int
    step: int
    indices: Tensor
    views: tuple[Tensor, ...]


@dataclass(frozen=True)
class Loss:
    """A scalar to minimise, detached scalars to average into the log, and which optimiser takes the step."""

    value: Tensor
    logged: Mapping[str, Tensor] = field(default_factory=dict)
    optimiser: str = ""


def _no_images(number: int) -> Iterator[Batch]:
    return iter(())


@dataclass(frozen=True)
class Epoch:
    """What the hooks between epochs and steps get.

    Attributes:
        number: from 0.
        generator: random numbers for this hook, at this place of the run.
        plain: name of an image set ("train", or "selection" if the caller gave one) -> batches of (rows,
            un-augmented images, as `Batch.views` has them), all rows in order, in every process.
        taken, total: steps of the run that lie behind, and of the whole run.
        look: number of a pass, from 0 -> all training images once, in batches of nearly equal size of which
            every process gets its share, with the views that the objective asks for, drawn anew for every
            pass and place of the run.
        pause: save the state if it is time, stop if asked to. A hook that takes long calls it in between; it
            is called again when the run resumes, so what it has done by then must show in saved state.
    """

    number: int
    generator: torch.Generator
    plain: Callable[[str], Iterator[tuple[Tensor, Tensor]]]
    taken: int = 0
    total: int = 0
    look: Callable[[int], Iterator[Batch]] = _no_images
    pause: Callable[[], None] = lambda: None


class Objective(nn.Module, abc.ABC):
    """A training method: networks, views, loss and what happens between steps and epochs.

    It is a module, so that one rule covers everything it keeps: parameters with `requires_grad` train; all
    parameters, buffers (queues, pseudo-labels, a teacher) and `get_extra_state` are saved and resumed.
    `train()` may be overridden to keep a frozen body in evaluation mode.

    The loss is that of the global batch: what depends on the batch goes through `distributed.gather` first,
    and is then computed as though there were one process. The loop averages the gradients. Random choices
    come from the generator handed in or, inside `loss`, from torch's global one, which is seeded before
    every step.
    """

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self.body = networks.body
        self.heads = nn.ModuleDict(dict(networks.heads))

    @abc.abstractmethod
    def views(self, indices: Tensor, generator: torch.Generator) -> Sequence[View]:
        """Say which images of the global batch `indices` [B] are looked at, and how.

        It is called ahead of the step, so it may depend only on its arguments and on what changes between
        epochs.
        """

    @abc.abstractmethod
    def loss(self, batch: Batch) -> Loss | None:
        """Return the loss of a batch, or None to skip the step (in every process or in none)."""

    def optimisers(self) -> Sequence[str]:
        """Name the optimisers among which a loss may choose: each has all parameters that train, and its own
        memory of their gradients. Parameters that a loss does not reach are left as they are."""
        return ("",)

    def before_epoch(self, epoch: Epoch) -> None:
        """Prepare an epoch (relabel, draw); not called again when a run resumes after its first step."""
        return

    def before_step(self, epoch: Epoch) -> None:
        """Prepare a step (relabel in the middle of an epoch)."""
        return

    def after_step(self) -> None:
        """Follow an optimiser step (move a teacher, fill a queue)."""
        return

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        """Close an epoch (select, count); what it returns goes into the epoch's line of the log."""
        return {}

    def finished(self) -> bool:
        """Say after an epoch whether to stop early; must follow from saved state."""
        return False

    def networks(self) -> Networks:
        """Return what the run leaves behind."""
        return Networks(self.body, cast(dict[str, Head], dict(self.heads.items())))

    def can_average(self) -> bool:
        """Say whether `networks` are those that train, so that an average of their weights (`ema`) may
        replace these."""
        return True

    def chosen_head(self) -> str | None:
        """Return the head that was selected, without labels, among those of `networks`; None: none was."""
        return None

    def found(self) -> Mapping[str, Tensor]:
        """Return what the run found out beside its networks, by name: the labels that it gave its images."""
        return {}


ObjectiveFactory = Callable[[Networks, Mapping[str, Any], Setting], Objective]
"""`make(networks, options, setting)`: the one function that every module of objectives offers."""


def needs(*arrays: str) -> Callable[[ObjectiveFactory], ObjectiveFactory]:
    """Declare, above a `make`, which arrays of a job its objective gets to see.

    What is not declared never arrives: labels reach the objectives that say that they learn from labels, and
    no other.
    """

    def declare(make: ObjectiveFactory) -> ObjectiveFactory:
        make.needs = frozenset(arrays)  # type: ignore[attr-defined]
        return make

    return declare


def needed_by(make: ObjectiveFactory) -> frozenset[str]:
    """Return the arrays that an objective declares with `needs`: without a declaration, none."""
    declared: frozenset[str] = getattr(make, "needs", frozenset())
    return declared
