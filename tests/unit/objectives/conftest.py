"""Short trainings of any objective, which can be stopped by a signal and resumed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.heads import build_head
from clusterprobe.images.batches import ArrayImages
from clusterprobe.objectives.loading import load_objective
from clusterprobe.store.state import load_state
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.job import Data, Trained, train_encoder
from clusterprobe.train.objective import Networks, needed_by, needs
from clusterprobe.train.state import Checkpoint

IMAGES, CLUSTERS = 21, 3


def _small_networks(
    heads: int = 1, clusters: int = CLUSTERS, kind: str = "linear", seed: int = 3
) -> Networks:
    """A small convolutional network and heads "0", "1", ... of one kind."""
    torch.manual_seed(seed)
    body = build("small-convnet", {"channels": 1, "widths": (4, 6)})
    return Networks(
        body,
        {str(number): build_head(kind, {"dimensions": clusters}, body.width) for number in range(heads)},
    )


class Training:
    """Trains an objective on random images in a folder; calling it again resumes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        random = np.random.default_rng(0)
        self.images = ArrayImages(random.integers(0, 256, (IMAGES, 1, 8, 8), dtype=np.uint8))
        self.selection = ArrayImages(random.integers(0, 256, (9, 1, 8, 8), dtype=np.uint8))
        self.arrays: dict[str, np.ndarray] = {
            "neighbours": random.integers(0, IMAGES, (IMAGES, 4)),
            "labels": random.integers(0, CLUSTERS, IMAGES),
            "pseudo_labels": random.integers(0, CLUSTERS, (IMAGES, 2)),
        }

    def __call__(
        self,
        name: str,
        options: Mapping[str, Any],
        *,
        stop_at: tuple[int, int] | None = None,
        networks: Networks | None = None,
        **recipe: Any,
    ) -> Trained:
        job: dict[str, Any] = {
            "objective": {"name": name, "options": dict(options)},
            "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
            "augmentation": [{"name": "strong", "operations": 2}, {"name": "gaussian-noise"}],
            "optimiser": {"name": "adam", "learning_rate": 0.01},
            "epochs": 3,
            "batch_size": 5,
            "seed": 1,
        }
        return train_encoder(
            job | recipe,
            Data(self.images, self.selection, self.arrays),
            _stopping(load_objective(name), stop_at),
            networks=networks or _small_networks(),
            checkpoint=Checkpoint(self.folder / "state", "print", every_seconds=1e9),
            device="cpu",
        )

    def saved(self) -> dict[str, Any]:
        """What the objective has put into the resume state."""
        payload = load_state(self.folder / "state", "print")
        assert payload is not None
        (self.folder / "payload").write_bytes(payload)
        state: dict[str, Any] = torch.load(self.folder / "payload", weights_only=True)["objective"]
        return state


def _stopping(make: Callable[..., Any], at: tuple[int, int] | None) -> Callable[..., Any]:
    """The same objective, which gets a SIGTERM in one step."""

    @needs(*needed_by(make))
    def wrapped(networks: Networks, options: Mapping[str, Any], setting: Any) -> Any:
        objective = make(networks, options, setting)
        loss = objective.loss

        def stop(batch: Any) -> Any:
            if (batch.epoch, batch.step) == at:
                os.kill(os.getpid(), signal.SIGTERM)
            return loss(batch)

        objective.loss = stop
        return objective

    return wrapped


def _weights(trained: Trained) -> dict[str, torch.Tensor]:
    """All tensors that a training left behind."""
    found = dict(trained.body.state_dict())
    for name, head in trained.heads.items():
        found |= {f"{name}.{key}": value for key, value in head.state_dict().items()}
    return found


def _assert_same(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Equal to the bit."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if isinstance(value, torch.Tensor) else value == other[name]
        assert same, name


@pytest.fixture
def small_networks() -> Callable[..., Networks]:
    """Heads, clusters, seed -> a small convolutional network and linear heads "0", "1", ..."""
    return _small_networks


@pytest.fixture
def training(tmp_path: Path) -> Training:
    return Training(tmp_path)


@pytest.fixture
def resumed_equals_undisturbed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Trained]:
    """Stop a training at a step, resume it, and compare log, networks and state with an undisturbed one."""

    def check(
        name: str,
        options: Mapping[str, Any],
        stop_at: tuple[int, int],
        heads: int = 1,
        clusters: int = CLUSTERS,
        kind: str = "linear",
        **recipe: Any,
    ) -> Trained:
        stopped, alone = (Training(tmp_path_factory.mktemp(folder)) for folder in ("stopped", "alone"))
        networks = partial(_small_networks, heads, clusters, kind)
        with pytest.raises(TrainingInterrupted):
            stopped(name, options, stop_at=stop_at, networks=networks(), **recipe)
        resumed = stopped(name, options, networks=networks(), **recipe)
        undisturbed = alone(name, options, networks=networks(), **recipe)
        assert resumed.log == undisturbed.log
        assert resumed.chosen == undisturbed.chosen
        _assert_same(resumed.found, undisturbed.found)
        _assert_same(_weights(resumed), _weights(undisturbed))
        _assert_same(stopped.saved(), alone.saved())
        return resumed

    return check
