"""Training images that are larger than the centre crop that evaluation sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from clusterprobe.images.batches import ArrayImages
from clusterprobe.train.job import Data, train_encoder
from clusterprobe.train.objective import Batch, Epoch, Loss, Networks, Objective, Setting, View

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 1, 12, 12), dtype=np.uint8)


class Watching(Objective):
    """Keeps what it is shown."""

    def __init__(self, networks: Networks, seen: dict[str, Any]) -> None:
        super().__init__(networks)
        self.seen = seen

    def views(self, indices: torch.Tensor, generator: torch.Generator) -> Sequence[View]:
        return [View(indices, "plain"), View(indices)]

    def loss(self, batch: Batch) -> Loss:
        self.seen["batch"] = batch
        return Loss(self.body(batch.views[0]).sum())

    def before_epoch(self, epoch: Epoch) -> None:
        self.seen["plain"] = torch.cat([images for _, images in epoch.plain("train")])


def shown(uncropped: bool) -> dict[str, Any]:
    seen: dict[str, Any] = {}

    def make(networks: Networks, options: Mapping[str, Any], setting: Setting) -> Objective:
        return Watching(networks, seen)

    job: dict[str, Any] = {
        "objective": {"name": "watching"},
        "architecture": {"name": "small-convnet", "options": {"channels": 1, "widths": [2]}},
        "preprocessing": {"size": 8, "mean": [0.0], "std": [1.0]},
        "augmentation": [{"name": "crop", "sides": [8 / 12]}],
        "optimiser": {"name": "sgd", "learning_rate": 0.1},
        "epochs": 1,
        "batch_size": 6,
        "uncropped": uncropped,
    }
    train_encoder(job, Data(ArrayImages(PIXELS)), make, device="cpu")
    return seen


def windows(image: np.ndarray) -> Iterator[np.ndarray]:
    for row in range(5):
        for column in range(5):
            yield image[row : row + 8, column : column + 8]


def test_plain_images_are_the_centre_and_augmentations_see_the_rest_too() -> None:
    seen = shown(uncropped=True)
    rows = seen["batch"].indices
    centre = torch.from_numpy(PIXELS[..., 2:10, 2:10]).float() / 255
    torch.testing.assert_close(seen["plain"], centre)
    plain, augmented = seen["batch"].views
    torch.testing.assert_close(plain, centre[rows])
    assert augmented.shape == plain.shape
    # a crop of two thirds is as large as the centre, so it lies near one of the windows of 8 pixels
    nearest = [
        min(float(np.abs(window / 255 - view).mean()) for window in windows(PIXELS[row, 0]))
        for row, view in zip(rows.tolist(), augmented[:, 0].numpy(), strict=True)
    ]
    far = float(np.abs(centre[rows[0]].numpy() - centre[rows[1]].numpy()).mean())
    assert max(nearest) < 0.75 * far


def test_otherwise_plain_images_are_resized() -> None:
    plain = shown(uncropped=False)["plain"]
    assert plain.shape == (6, 1, 8, 8)
    assert not torch.equal(plain, torch.from_numpy(PIXELS[..., 2:10, 2:10]).float() / 255)
