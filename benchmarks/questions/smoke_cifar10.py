"""A smoke run of SimCLR, SCAN and self-labelling on 5,000 images of CIFAR-10: a small network, a few epochs.

It shows that all three run on real images and how fast; its accuracies are no result of any method. Settings
are those of config/cifar10.yaml but for network, epochs and batches. CLUSTERPROBE_CIFAR10 names a folder with
train.parquet and test.parquet. A run that was stopped goes on when it is given the same `--folder`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.harness import HERE, Outcome, Question, Size, timed
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.config.loading import read_yaml
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.images.batches import ArrayImages
from clusterprobe.images.decode import decode_image
from clusterprobe.objectives.loading import load_objective
from clusterprobe.store.rows import ArrayRows, Float32
from clusterprobe.train.interrupt import TrainingInterrupted
from clusterprobe.train.job import Data, go_on, run_training, train_encoder

QUESTION = Question(
    "smoke-cifar10",
    "SimCLR, SCAN and self-labelling: a few epochs of a small network on 5,000 images of CIFAR-10",
    "images a second of SimCLR, their products as a share of the float32 matrix products of this machine",
    None,
    smoke=True,
)
CLASSES = 10
_TIMED_IMAGES = 1024
Pixels = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]
Job = dict[str, Any]


class Plan(NamedTuple):
    """How much is trained: images, epochs of each step, widths of the network, images of a batch."""

    train: int
    test: int
    epochs: Mapping[str, int]
    widths: tuple[int, ...]
    batch_size: int


class Split(NamedTuple):
    """Images uint8 [N, 3, 32, 32] and their labels [N]."""

    pixels: Pixels
    labels: Int64


def measure(size: Size) -> Outcome:
    folder = os.environ.get("CLUSTERPROBE_CIFAR10")
    if not folder:
        return Outcome(None, note="set CLUSTERPROBE_CIFAR10 to a folder with train.parquet and test.parquet")
    epochs = size.choose((2, 1, 1), (10, 5, 3))
    plan = Plan(
        5000, 1000, dict(zip(("simclr", "scan", "selflabel"), epochs, strict=True)), (16, 32, 64), 256
    )
    train, test = (
        read_split(Path(folder) / f"{name}.parquet", count)
        for name, count in (("train", plan.train), ("test", plan.test))
    )
    try:
        return run(plan, train, test, size.folder)
    except TrainingInterrupted as stopped:
        return Outcome(None, note=f"{stopped}; the same --folder goes on")


def run(plan: Plan, train: Split, test: Split, folder: Path) -> Outcome:
    """Train what is missing below a folder, one step after the other, and measure."""
    jobs = describe(plan)
    np.save(folder / "smoke-images.npy", train.pixels)
    files: dict[str, Path] = {}
    facts: dict[str, Any] = {"images": len(train.pixels), "epochs": dict(plan.epochs)}
    for name, start in (("simclr", None), ("scan", "simclr"), ("selflabel", "scan")):
        arrays = {"neighbours": folder / "smoke-neighbours.npy"} if name == "scan" else {}
        files[name] = trained(jobs[name], folder, files.get(start or ""), arrays)
        bodies = features(jobs, name, files, train), features(jobs, name, files, test)
        if name == "simclr":
            np.save(folder / "smoke-neighbours.npy", mine_neighbours(ArrayRows(bodies[0]), 20))
        facts[f"ACC on {plan.test} test images, {name}"] = accuracy(bodies, train, test)
    rate, share = throughput(jobs["simclr"], train)
    facts |= {"images a second": rate, "share of the rate of matrix products": share}
    return Outcome(share, facts)


def read_split(path: Path, count: int) -> Split:
    """Return the first images of a parquet file with the columns image and label."""
    table = pq.read_table(path, columns=["image", "label"]).slice(0, count)
    images = [np.asarray(decode_image(image.as_py(), path.name).convert("RGB")) for image in table["image"]]
    return Split(np.stack(images).transpose(0, 3, 1, 2).copy(), table["label"].to_numpy().astype(np.int64))


def describe(plan: Plan) -> dict[str, Job]:
    """Return the jobs of config/cifar10.yaml for a small network, by name."""
    encoders = read_yaml(HERE.parent / "config" / "cifar10.yaml")["encoders"]
    other = {"kind", "title", "seen", "encoder_seeds", "start", "neighbours", "output"}
    changes = {
        "architecture": {"name": "small-convnet", "options": {"channels": 3, "widths": list(plan.widths)}},
        "optimiser": {"name": "adam", "learning_rate": 0.001, "weight_decay": 0.0001},
        "batch_size": plan.batch_size,
        "seed": 0,
    }
    heads = {
        "simclr": {"kind": "mlp", "options": {"hidden": 128, "dimensions": 64}},
        "scan": {"kind": "linear", "options": {"dimensions": CLASSES}},
        "selflabel": None,
    }
    return {
        name: {key: value for key, value in encoders[name].items() if key not in other}
        | changes
        | {"head": head, "epochs": plan.epochs[name]}
        for name, head in heads.items()
    }


def trained(job: Job, folder: Path, start: Path | None, arrays: Mapping[str, Path]) -> Path:
    """Return the networks that a job trains, if need be after training them."""
    name = job["objective"]["name"]
    destination = folder / f"smoke-{name}"
    if not (destination / "network.pt").exists():
        files = {
            "images": str(folder / "smoke-images.npy"),
            "arrays": {key: str(path) for key, path in arrays.items()},
            "start": str(start) if start else None,
            "destination": str(destination),
            "every_seconds": 20,
            "device": "cpu",
        }
        run_training(job | files, load_objective(name))
    return destination / "network.pt"


@torch.inference_mode()
def features(jobs: Mapping[str, Job], name: str, files: Mapping[str, Path], split: Split) -> Float32:
    """Return the features [N, D] of the body of SimCLR, or the logits [N, K] of the head of a later step."""
    # self-labelling goes on with the head that SCAN described
    described = jobs[name] | {"head": jobs["scan" if name == "selflabel" else name]["head"]}
    networks = go_on(described | {"head": None}, files[name])[1]
    network = (
        networks.body
        if name == "simclr"
        else torch.nn.Sequential(networks.body, next(iter(networks.heads.values())))
    )
    preprocessing = Preprocessing.from_dict(jobs[name]["preprocessing"])
    parts = torch.split(torch.from_numpy(split.pixels), 500)
    return torch.cat([network.eval()(preprocessing.normalise(part)) for part in parts]).numpy()


def accuracy(outputs: tuple[Float32, Float32], train: Split, test: Split) -> float:
    """Return ACC of test images: of k-means on features, of the largest logit of heads."""
    if outputs[0].shape[1] == CLASSES:
        found = outputs[0].argmax(axis=1), outputs[1].argmax(axis=1)
    else:
        model = fit_kmeans(ArrayRows(outputs[0]), CLASSES, 0, restarts=3)
        found = assign(ArrayRows(outputs[0]), model).cluster, assign(ArrayRows(outputs[1]), model).cluster
    scores = evaluate_assignments(found[0], train.labels, found[1], test.labels, CLASSES, CLASSES)
    return scores["acc"]


def throughput(job: Job, train: Split) -> tuple[float, float]:
    """Return images a second of one epoch, augmentation included, and its products as a share of all."""
    images = ArrayImages(train.pixels[:_TIMED_IMAGES])
    once = job | {"epochs": 1, "batch_size": min(job["batch_size"], len(images))}

    def epoch() -> object:
        return train_encoder(once, Data(images), load_objective("simclr"), device="cpu")

    with FlopCounterMode(display=False) as counter:
        epoch()
    seconds = min(timed(epoch)[0] for _ in range(2))
    return len(images) / seconds, counter.get_total_flops() / seconds / matrix_rate()


def matrix_rate(width: int = 2048) -> float:
    """Return the rate of float32 matrix products in FLOP/s."""
    left, right = torch.randn(width, width), torch.randn(width, width)
    return 2 * width**3 / min(timed(lambda: left @ right)[0] for _ in range(5))
