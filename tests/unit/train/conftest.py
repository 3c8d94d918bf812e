"""A small objective that uses everything the loop offers, and a run of it in a fraction of a second."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.heads import build_head
from clusterprobe.images.augment import Augmentation
from clusterprobe.images.batches import ArrayImages
from clusterprobe.train.interrupt import StopWatch
from clusterprobe.train.loop import Recipe, train
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, View
from clusterprobe.train.optimisers import Optimiser
from clusterprobe.train.schedules import Schedule
from clusterprobe.train.snapshots import Snapshots
from clusterprobe.train.state import Checkpoint
from clusterprobe.train.views import ViewMaker

IMAGES = 22
BATCH = 5
STEPS = IMAGES // BATCH


class Everything(Objective):
    """Pulls anchors towards random companions; has a queue, targets drawn per epoch, dropout and a skipped
    step."""

    def __init__(self, signal_at: tuple[int, int] | None = None, number: int = signal.SIGTERM) -> None:
        torch.manual_seed(3)
        body = build("small-convnet", {"channels": 1, "widths": (4, 6)})
        super().__init__(Networks(body, {"0": build_head("linear", {"dimensions": 3}, body.width)}))
        self.register_buffer("queue", torch.zeros(3))
        self.register_buffer("target", torch.zeros(3))
        self.register_buffer("steps_taken", torch.zeros((), dtype=torch.int64))
        self.finish_after = 10**9
        self.signal_at, self.number = signal_at, number
        self.closed_epochs: list[int] = []
        self.best = {"loss": 1e9}

    def views(self, indices: torch.Tensor, generator: torch.Generator) -> list[View]:
        companions = torch.randint(IMAGES, indices.shape, generator=generator)
        return [View(indices), View(companions, "other"), View(indices, "plain")]

    def loss(self, batch: Batch) -> Loss | None:
        if (batch.epoch, batch.step) == self.signal_at:
            os.kill(os.getpid(), self.number)
        if (batch.epoch, batch.step) == (1, 1):
            return None
        anchor, companion, plain = (self.heads["0"](F.dropout(self.body(view))) for view in batch.views)
        value = (anchor - companion).square().mean() + (plain - self.queue - self.target).square().mean()
        self.latest = plain.detach().mean(dim=0)
        self.best["loss"] = min(self.best["loss"], value.item())
        return Loss(value, {"spread": plain.std()})

    def before_epoch(self, epoch: Epoch) -> None:
        self.target.lerp_(torch.rand(3, generator=epoch.generator), 0.5)

    def after_step(self) -> None:
        self.queue.lerp_(self.latest, 0.1)
        self.steps_taken.add_(1)

    def after_epoch(self, epoch: Epoch) -> Mapping[str, float]:
        self.eval()
        self.closed_epochs.append(epoch.number)
        seen = torch.cat([rows for rows, _ in epoch.plain("train")])
        return {"seen": len(seen), "best": self.best["loss"]}

    def finished(self) -> bool:
        return len(self.closed_epochs) >= self.finish_after

    def get_extra_state(self) -> dict[str, Any]:
        return {"best": self.best["loss"]}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.best["loss"] = state["best"]


class Run:
    """Trains an `Everything` in a folder; calling it again resumes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def views(self) -> ViewMaker:
        """The same random images to train on and to choose by."""
        pixels = np.random.default_rng(0).integers(0, 256, (IMAGES, 1, 8, 8), dtype=np.uint8)
        augmentations = {
            "train": Augmentation([{"name": "random-resized-crop"}, {"name": "gaussian-noise"}]),
            "other": Augmentation([{"name": "flip"}]),
            "plain": Augmentation([]),
        }
        images = ArrayImages(pixels)
        sets = {"train": images, "selection": images}
        return ViewMaker(sets, augmentations, [0.5], [0.25], 1, torch.device("cpu"))

    def __call__(
        self,
        objective: Objective | None = None,
        deadline: float | None = None,
        snapshots: Snapshots | None = None,
        **recipe: Any,
    ) -> tuple[list[str], dict[str, Any]]:
        objective = objective or Everything()
        settings: dict[str, Any] = {
            "epochs": 3,
            "batch_size": BATCH,
            "optimiser": Optimiser("sgd", 0.1, weight_decay=1e-3),
            "schedule": Schedule("cosine"),
            "ema": 0.9,
            "seed": 1,
        }
        checkpoint = Checkpoint(self.folder / "state", "print", every_seconds=1e9)
        watch = StopWatch(deadline)
        log = train(objective, self.views(), Recipe(**settings | recipe), checkpoint, watch, snapshots)
        return log, objective.state_dict()


@pytest.fixture
def everything() -> type[Everything]:
    return Everything


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def new_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("other"))


@pytest.fixture(scope="session")
def make_job() -> Callable[[Path], dict[str, Any]]:
    """Folder -> a job of SimCLR on 33 random images; 15 images do not divide into two equal shares."""

    def make(folder: Path) -> dict[str, Any]:
        images = np.random.default_rng(0).integers(0, 256, (33, 1, 8, 8), dtype=np.uint8)
        np.save(folder / "images.npy", images)
        return {
            "images": str(folder / "images.npy"),
            "destination": str(folder / "trained"),
            "objective": {"name": "simclr", "options": {"temperature": 0.5}},
            "architecture": {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8]}},
            "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
            "head": {"kind": "mlp", "options": {"dimensions": 4}},
            "augmentation": [
                {"name": "random-resized-crop", "scale": [0.5, 1.0]},
                {"name": "gaussian-noise", "sigma": 0.1},
            ],
            "optimiser": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
            "schedule": {"name": "cosine"},
            "epochs": 3,
            "batch_size": 15,
            "seed": 4,
            "device": "cpu",
        }

    return make
