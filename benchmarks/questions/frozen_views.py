"""What cached views cost SCAN: heads on a frozen body, fresh augmentations against V cached views.

On the digits, with the encoders of config/digits-all.yaml and SimCLR cut to a few epochs. ACC is that of the
test split, its map fitted on the train split.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.harness import HERE, Outcome, Question, Size
from clusterprobe.cluster.neighbours import mine_neighbours
from clusterprobe.config.loading import read_yaml
from clusterprobe.encoders.architectures import Body
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.features.views import AugmentedViews
from clusterprobe.images.batches import ArrayImages
from clusterprobe.images.digits import list_digits, load_digits
from clusterprobe.objectives.loading import load_objective
from clusterprobe.store.rows import ArrayRows
from clusterprobe.train.cached_views import CachedViews
from clusterprobe.train.job import Data, Trained, build_networks, train_encoder
from clusterprobe.train.objective import Networks

QUESTION = Question(
    "frozen-views",
    "SCAN heads on a frozen body of digits, V cached views of an image; SimCLR for 20 epochs, 3 seeds",
    "fresh augmentations, seconds over those with 16 cached views",
    None,
    quick="SCAN heads on a frozen body of digits, V cached views of an image; SimCLR for 2 epochs, 1 seed",
)
COUNTS = (1, 4, 16)
CLASSES = 10
Pixels = npt.NDArray[np.uint8]


def measure(size: Size) -> Outcome:
    torch.set_num_threads(1)
    digits = read_digits()
    seeds, epochs = size.choose((1, 2), (3, 20))
    runs = [run_seed(seed, epochs, digits) for seed in range(seeds)]
    scores = {way: [run[way][0] for run in runs] for way in runs[0]}
    seconds = {way: float(np.mean([run[way][1] for run in runs])) for way in runs[0]}
    facts: dict[str, object] = {f"ACC, {way}": values for way, values in scores.items()}
    facts |= {f"training of the heads, seconds, {way}": value for way, value in seconds.items()}
    return Outcome(seconds["fresh"] / seconds["V = 16"], facts)


def read_digits() -> dict[str, tuple[Pixels, npt.NDArray[np.int64]]]:
    """Return the images uint8 [N, 1, 8, 8] and labels of the splits of the default experiment."""
    pixels, labels = load_digits()
    rows = {name: [int(place) for place in part.locations] for name, part in list_digits({}).splits.items()}
    return {split: (pixels[chosen][:, None], labels[chosen]) for split, chosen in rows.items()}


def job_of(encoder: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the training that the definition of an encoder describes."""
    other = {"kind", "seen", "start", "neighbours"}
    return {key: value for key, value in encoder.items() if key not in other} | changes


@torch.inference_mode()
def features(body: Body, pixels: Pixels, encoder: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """Return the features of the images themselves, as extraction stores them."""
    preprocessing = Preprocessing.from_dict(encoder["preprocessing"])
    return stored(body.eval()(preprocessing.normalise(torch.from_numpy(pixels))))


@torch.inference_mode()
def cached(body: Body, pixels: Pixels, encoder: Mapping[str, Any], count: int, seed: int) -> CachedViews:
    """Return the features of `count` augmented views of every image."""
    views = AugmentedViews(count, encoder["augmentation"], seed)
    looks = views.looks(Preprocessing.from_dict(encoder["preprocessing"]), torch.from_numpy(pixels), 0)
    rows = np.stack([stored(body.eval()(look)) for look in looks], axis=1)
    return CachedViews(
        ArrayRows(rows.reshape(-1, rows.shape[-1])), {"train": ArrayRows(features(body, pixels, encoder))}
    )


def stored(values: torch.Tensor) -> npt.NDArray[np.float32]:
    return values.numpy().astype(np.float16).astype(np.float32)


def accuracy(trained: Trained, encoder: Mapping[str, Any], digits: Mapping[str, Any]) -> float:
    """Return ACC of the chosen head on the test split."""
    head = trained.heads[str(trained.chosen)]
    clusters = {}
    for split, (pixels, _) in digits.items():
        found = features(trained.body, pixels, encoder)
        with torch.inference_mode():
            clusters[split] = head(torch.from_numpy(found)).argmax(dim=1).numpy()
    scores = evaluate_assignments(
        clusters["train"], digits["train"][1], clusters["test"], digits["test"][1], CLASSES, CLASSES
    )
    return scores["acc"]


def run_seed(seed: int, epochs: int, digits: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """Return ACC and seconds of every way to train the heads of one seed, on one and the same body."""
    encoders = read_yaml(HERE.parent / "config" / "digits-all.yaml")["encoders"]
    pixels = digits["train"][0]
    images = ArrayImages(pixels)
    pretext = job_of(encoders["simclr"], seed=seed, epochs=epochs)
    body = train_encoder(pretext, Data(images), load_objective("simclr"), device="cpu").body
    neighbours = mine_neighbours(ArrayRows(features(body, pixels, encoders["simclr"])), 20)

    scan = encoders["scan"]
    head = scan["head"] | {"options": {"dimensions": CLASSES}}
    options = scan["objective"]["options"] | {"frozen": True}
    job = job_of(scan, seed=seed, head=head, objective={"name": "scan", "options": options})
    ways: dict[str, Any] = {"fresh": images}
    ways |= {f"V = {count}": cached(body, pixels, scan, count, seed) for count in COUNTS}
    found = {}
    for way, source in ways.items():
        start = time.perf_counter()
        networks = Networks(body, build_networks(job, seed).heads)
        data = Data(source, arrays={"neighbours": neighbours.astype(np.int64)})
        trained = train_encoder(job, data, load_objective("scan"), networks=networks, device="cpu")
        found[way] = accuracy(trained, scan, digits), time.perf_counter() - start
    return found
