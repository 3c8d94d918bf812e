"""The training loop of every method: load the state, run epochs, step, save."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.images.seeds import derive_seed, make_generator
from clusterprobe.store.progress import Progress
from clusterprobe.train import distributed
from clusterprobe.train.batch_norm import use_global_batch_norm
from clusterprobe.train.exponential_average import ExponentialAverage
from clusterprobe.train.interrupt import StopWatch, TrainingInterrupted
from clusterprobe.train.objective import Batch, Epoch, Objective
from clusterprobe.train.optimisers import Optimiser
from clusterprobe.train.schedules import Schedule
from clusterprobe.train.snapshots import Snapshots
from clusterprobe.train.state import Checkpoint, TrainingState
from clusterprobe.train.views import ViewSource

CONSTANT = Schedule("constant")
PRECISIONS = ("auto", "float32", "bfloat16")
_LARGEST_PASS = 2**20  # passes over all images at one place of a run: more than anyone makes


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, with what: everything about a run that is no part of the method.

    Attributes:
        epochs, batch_size: length and global batch; the last, smaller batch of an epoch is dropped with
            `drop_last`.
        ema: decay of an average of the weights that replaces them at the end, or None.
        precision: auto (bfloat16 autocast on CUDA, float32 on the CPU), float32 or bfloat16 (CUDA only).
    """

    epochs: int
    batch_size: int
    optimiser: Optimiser
    schedule: Schedule = CONSTANT
    ema: float | None = None
    seed: int = 0
    precision: str = "auto"
    drop_last: bool = True

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.batch_size < 1:
            raise ValueError(
                f"epochs and batch_size must be positive, not {self.epochs} and {self.batch_size}"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {self.precision!r}")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema must lie in [0, 1), not {self.ema}")


def train(
    objective: Objective,
    views: ViewSource,
    recipe: Recipe,
    checkpoint: Checkpoint,
    watch: StopWatch,
    snapshots: Snapshots | None = None,
) -> list[str]:
    """Train `objective` in place, fill `snapshots`, and return the log, one JSON line per epoch.

    On the CPU, with the same number of threads, an interrupted and resumed run gives the same bytes as an
    undisturbed one.

    Raises:
        TrainingInterrupted: a signal or the time limit; the state has been saved.
        UserError: the loss is not finite, the batch is larger than the training set, or the average of the
            weights would be lost.
    """
    if recipe.ema is not None and not objective.can_average():
        raise UserError(
            "training: `ema` averages the weights that train, but this objective, with its options, leaves "
            "others behind: leave `ema` out"
        )
    objective.to(views.device)
    if distributed.is_distributed():
        use_global_batch_norm(objective)
    if views.device.type == "cuda":
        objective.to(memory_format=torch.channels_last)

    trainable = [parameter for parameter in objective.parameters() if parameter.requires_grad]
    optimisers = {name: recipe.optimiser.make(trainable) for name in objective.optimisers()}
    average = ExponentialAverage(objective, recipe.ema) if recipe.ema is not None else None
    state = TrainingState(objective, optimisers, average, snapshots=snapshots)
    if payload := checkpoint.load():
        state.restore(payload, views.device)

    run = _Run(state, views, recipe, trainable, checkpoint, watch)
    with watch, run.progress():
        while state.epoch < recipe.epochs and not objective.finished():
            run.epoch()
    checkpoint.save(state)
    if average:
        average.copy_to(objective)
    return state.log


@dataclass
class _Run:
    """One call of `train`: the state and what moves it on."""

    state: TrainingState
    views: ViewSource
    recipe: Recipe
    trainable: Sequence[nn.Parameter]
    checkpoint: Checkpoint
    watch: StopWatch

    def __post_init__(self) -> None:
        self._images = len(self.views)
        self._steps = _steps_per_epoch(self._images, self.recipe)
        self._progress: Progress | None = None

    @contextmanager
    def progress(self) -> Iterator[None]:
        """Report the images that are left, in the first process."""
        if distributed.rank() > 0:
            yield
            return
        batch, state = self.recipe.batch_size, self.state
        epoch = min(self._steps * batch, self._images)
        left = (self.recipe.epochs - state.epoch) * epoch - min(state.step * batch, epoch)
        with Progress("train", left, quick_seconds=0) as self._progress:
            yield

    def epoch(self) -> None:
        """Take the steps of one epoch that are still missing, then write its line of the log."""
        state, number, seed = self.state, self.state.epoch, self.recipe.seed
        rate = self.recipe.optimiser.learning_rate * self.recipe.schedule.ratio(number, self.recipe.epochs)
        for optimiser in state.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = rate
        if state.step == 0:
            self._take_snapshot(number, first=True)
            state.objective.before_epoch(self._hook("before-epoch", number))

        state.objective.train()
        order = torch.randperm(self._images, generator=make_generator(seed, "order", number))
        rows = torch.split(order, self.recipe.batch_size)[: self._steps]
        for batch in self.views.batches(state.objective, rows, number, state.step):
            state.objective.before_step(self._hook("before-step", number, state.step))
            self.step(batch)
            if self._progress:
                self._progress.update(len(rows[batch.step]), f"epoch {number + 1}/{self.recipe.epochs}")
            self._pause()

        closing = state.objective.after_epoch(self._hook("after-epoch", number))
        state.log.append(_log_line(state, rate, self._steps, closing))
        self._take_snapshot(number + 1)
        state.epoch, state.step, state.taken, state.sums = number + 1, 0, 0, {}

    def _take_snapshot(self, epoch: int, first: bool = False) -> None:
        """Keep features after so many epochs, if they are asked for; before the first of them only there."""
        if self.state.snapshots and first == (epoch == 0):
            self.state.snapshots.take(self.state.objective, epoch, self.views.plain)

    def _hook(self, name: str, *place: int) -> Epoch:
        """What a hook of the objective gets at this place of the run."""
        generator = make_generator(self.recipe.seed, name, *place)
        taken = self.state.epoch * self._steps + self.state.step
        total = self.recipe.epochs * self._steps
        return Epoch(
            self.state.epoch,
            generator,
            self.views.plain,
            taken,
            total,
            partial(self._look, taken),
            self._pause,
        )

    def _look(self, taken: int, number: int) -> Iterator[Batch]:
        """All training images once; a negative epoch stands for a pass outside of the epochs."""
        batches = -(-self._images // self.recipe.batch_size)
        rows = torch.tensor_split(torch.arange(self._images), batches)
        return self.views.batches(self.state.objective, rows, -1 - taken * _LARGEST_PASS - number)

    def _pause(self) -> None:
        """Save and stop if a signal or the time limit asks for it; save if it is time."""
        if exit_code := distributed.maximum(self.watch.after_step()):
            self.checkpoint.save(self.state)
            raise TrainingInterrupted(exit_code, self.state.epoch + 1, self.state.step)
        self.checkpoint.save_if_due(self.state)

    def step(self, batch: Batch) -> None:
        """Go down the gradient of one batch, unless the objective skips it."""
        state, device = self.state, self.views.device
        torch.manual_seed(derive_seed(self.recipe.seed, "step", batch.epoch, batch.step, distributed.rank()))
        autocast = device.type == "cuda" and self.recipe.precision != "float32"
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            loss = state.objective.loss(batch)
        state.step = batch.step + 1
        if loss is None:
            return
        optimiser = state.optimisers[loss.optimiser]
        optimiser.zero_grad(set_to_none=True)
        loss.value.backward()  # type: ignore[no-untyped-call]
        distributed.average_gradients(self.trainable)
        optimiser.step()
        if state.average:
            state.average.update(state.objective)
        state.objective.after_step()
        state.taken += 1
        for name, value in {"loss": loss.value, **loss.logged}.items():
            total, steps = state.sums.get(name, (0.0, 0))
            state.sums[name] = total + value.detach().double(), steps + 1


def _log_line(state: TrainingState, rate: float, steps: int, closing: Mapping[str, float]) -> str:
    """Mean values of the epoch's steps as one JSON line; only what a second run would repeat."""
    means = {name: float(total) / taken for name, (total, taken) in state.sums.items()}
    if not all(math.isfinite(value) for value in means.values()):
        raise UserError(
            f"training: the loss of epoch {state.epoch + 1} is not finite ({means}); lower the learning rate"
        )
    skipped = {"skipped_steps": steps - state.taken} if state.taken < steps else {}
    return json.dumps({"epoch": state.epoch + 1, "learning_rate": rate, **means, **skipped, **closing})


def _steps_per_epoch(images: int, recipe: Recipe) -> int:
    if recipe.drop_last and images < recipe.batch_size:
        raise UserError(
            f"training: a batch of {recipe.batch_size} is larger than the training set of {images} images; "
            "lower batch_size or set drop_last to false"
        )
    rest = 0 if recipe.drop_last else images % recipe.batch_size
    smallest, processes = rest or recipe.batch_size, distributed.world_size()
    if smallest < processes:
        raise UserError(
            f"training: {processes} processes cannot share a batch of {smallest}; change batch_size, or set "
            "drop_last to true"
        )
    return images // recipe.batch_size + (rest > 0)
