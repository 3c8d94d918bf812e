"""The configuration of a folder of pictures without labels: what `clusterprobe cluster` writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError

Definition = dict[str, Any]

NAME = "pictures"
"""Of data set and reports, whatever the folder is called: a folder that is renamed stays the same."""

CRITERIA: Definition = {"names": ["silhouette", "stability", "generalisation"], "folds": 2}
"""What a number of clusters is chosen by. Five folds take longer than all the rest, and choose the same."""

_KS = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50)
_SMALLEST = 5  # pictures in a cluster, on average, below which a number of clusters is no candidate
_STEPS = {"cpu": 390, "cuda": 39_000}  # of a pretext, with batches of 256: 100,000 and 10 million pictures
_HEAD_STEPS = 780
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 100
_LEAST_STEPS = 780  # that few pictures get by more epochs
_SIDE = {"cpu": 32, "cuda": 96}
_SCAN_VIEWS = 16
_TURTLE = (10_000, 1000)  # pictures in a step, and steps
_MANY = 50_000  # pictures from which on near cells are searched for neighbours
_HEADS: dict[str, Definition] = {
    "scan": {
        "title": "SCAN",
        "objective": {"name": "scan", "options": {"entropy_weight": 5}},
        "head": {"kind": "linear", "count": 10},
        "schedule": {"name": "constant"},
        "augmentation": [{"name": "random-resized-crop", "scale": [0.6, 1.0]}, {"name": "flip"}],
    },
    "temi": {
        "title": "TEMI",
        "objective": {"name": "temi"},
        "head": {"kind": "mlp", "options": {"hidden": 512}, "count": 10},
        "augmentation": [],
    },
    "turtle": {
        "title": "TURTLE",
        "objective": {"name": "turtle"},
        "head": {"kind": "linear"},
        "augmentation": [],
        "optimiser": {"name": "adam", "learning_rate": 1e-3},
    },
}


@dataclass(frozen=True)
class Request:
    """What is asked for: pictures, clusters (None: to be estimated), method, encoder and means.

    `labels`: a CSV file, or whether sub-folders are labels. `encoder`: its name, and its entry in a
    configuration; None for one that stands in the catalogue as it is.
    """

    folder: Path
    pictures: int
    k: int | None
    method: str
    encoder: tuple[str, Definition | None]
    merge_from: int | None = None
    labels: Path | bool = False
    title: str | None = None
    cores: int = 1
    gpu: bool = False
    pictures_options: Definition = field(default_factory=dict)


def configuration(request: Request) -> Definition:
    """Return the values of the configuration; raises UserError for wishes that do not go together."""
    name, entry = request.encoder
    dataset = {
        "kind": "folder",
        "splits": {"train": str(request.folder)},
        "labelled": bool(request.labels),
        "on_bad_image": "skip",
        "growing": True,
    }
    dataset |= {"label_file": str(request.labels)} if isinstance(request.labels, Path) else {}
    encoders: dict[str, Definition | None] = {name: entry}
    clusterings: Definition = {"method": request.method, "encoders": [name], "k": _sizes(request)}
    if request.method in _HEADS:
        encoders["heads"] = _heads(name, entry, request)
        clusterings["encoders"] = ["heads"]
    else:
        clusterings["reducers"] = [
            {"name": "none", "normalise": request.method == "kmeans" and name != "pixels"}
        ]
    several = len(clusterings["k"]) > 1
    merge = {} if request.merge_from is None else {"merge_to": request.k}
    values: Definition = {
        "name": NAME,
        "title": request.title or request.folder.name,
        "datasets": {NAME: dataset},
        "fit": [NAME],
        "encoders": encoders,
        "seeds": 3 if several else 1,
        "clusterings": [clusterings],
        "criteria": CRITERIA if several else None,
        "pictures": merge | request.pictures_options,
        "neighbours": {"encoder_seeds": 0},
        "report": {"galleries": []} | ({"tables": [], "figures": []} if several else {}),
        "compute": {"threads": min(request.cores, 4), "memory_mb": 3000, "gpus": int(request.gpu)},
    }
    return {key: value for key, value in values.items() if value is not None}


def candidate_sizes(pictures: int) -> list[int]:
    """Return numbers of clusters to choose from; raises UserError for too few pictures."""
    found = [k for k in _KS if k * _SMALLEST <= pictures]
    if len(found) < 2:
        raise UserError(
            f"{pictures} pictures are too few to estimate the number of clusters: say --k 2, for example"
        )
    return found


def pretext(pictures: int, gpu: bool) -> Definition:
    """Return SimCLR for a network that sees nothing but these pictures, small enough for the machine."""
    device = "cuda" if gpu else "cpu"
    batch = _batch(256, pictures)
    network: Definition = {
        "name": "small-convnet",
        "options": {"widths": [32, 64, 128], "strides": [2, 2, 2], "standardise": True},
    }
    return {
        "kind": "trained",
        "title": "SimCLR, trained on these pictures",
        "encoder_seeds": 1,
        "seen": "same",
        "objective": {"name": "simclr", "options": {"temperature": 0.5}},
        "architecture": {"name": "torchvision:resnet18"} if gpu else network,
        "head": {"kind": "mlp", "options": {"hidden": 128, "dimensions": 64}},
        "preprocessing": _preprocessing(_SIDE[device]),
        # Mild, and nothing is mirrored: in a strange folder a mirror image or a part may be something else.
        "augmentation": [
            {"name": "random-resized-crop", "scale": [0.6, 1.0]},
            {"name": "colour-jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1},
            {"name": "grayscale", "p": 0.2},
        ],
        "optimiser": {"name": "adam", "learning_rate": 0.002, "weight_decay": 1e-6},
        "schedule": {"name": "cosine", "minimum_ratio": 0.01},
        "epochs": _epochs(_STEPS[device], pictures, batch),
        "batch_size": batch,
    }


def pixels() -> Definition:
    """Return the pixels themselves, small, as an encoder."""
    return {"kind": "pixels", "title": "pixels", "preprocessing": _preprocessing(16)}


def checkpoint(path: Path, architecture: str, size: int) -> Definition:
    """Return an encoder of one's own: a checkpoint file, its network, the usual preprocessing of ImageNet."""
    return {
        "kind": "file",
        "title": path.name,
        "path": str(path),
        "architecture": {"name": architecture},
        "preprocessing": _imagenet(size) | {"crop_ratio": 0.875},
    }


def _sizes(request: Request) -> Sequence[int]:
    if request.k is None:
        if request.method in _HEADS:
            raise UserError(
                f"--method {request.method} needs the number of clusters: say --k 20, or find "
                "it by --method kmeans --k auto"
            )
        if request.merge_from is not None:
            raise UserError("--merge-from merges into a number of clusters that is given: say --k, too")
        return candidate_sizes(request.pictures)
    if request.merge_from is not None and request.method in _HEADS:
        raise UserError(
            f"--merge-from merges by centres, which --method {request.method} has not: leave it out"
        )
    wanted = request.merge_from or request.k
    if request.merge_from is not None and request.merge_from < request.k:
        raise UserError(
            f"--merge-from {request.merge_from} is below --k {request.k}: merge from more clusters"
        )
    if wanted > request.pictures:
        raise UserError(f"{wanted} clusters of {request.pictures} pictures: ask for fewer")
    return [wanted]


def _heads(name: str, entry: Definition | None, request: Request) -> Definition:
    """Return heads on an encoder: SCAN's train it on if it was trained here, all others leave it as it is."""
    if entry is None or entry["kind"] == "pixels":
        raise UserError(
            f"--method {request.method} trains heads on a network: say another --encoder than {name}"
        )
    batch = _batch(256, request.pictures)
    definition: Definition = {
        "kind": "trained",
        "encoder_seeds": 1,
        "seen": "same",
        "start": name,
        "optimiser": {"name": "adam", "learning_rate": 1e-3, "weight_decay": 1e-4},
        "epochs": _epochs(_HEAD_STEPS, request.pictures, batch),
        "batch_size": batch,
        **{key: entry[key] for key in ("architecture", "preprocessing")},
        **_HEADS[request.method],
    }
    if request.method == "turtle":
        batch = _batch(_TURTLE[0], request.pictures)
        definition |= {"batch_size": batch, "epochs": -(-_TURTLE[1] * batch // request.pictures)}
    else:
        count = max(1, min(20, request.pictures // 4))
        definition["neighbours"] = {"k": count, "approximate": request.pictures > _MANY}
    if request.method == "scan" and entry["kind"] == "trained":
        return definition
    objective = definition["objective"]
    frozen = objective | {"options": objective.get("options", {}) | {"frozen": True}}
    return definition | {"objective": frozen, "cached_views": _SCAN_VIEWS if request.method == "scan" else 1}


def _batch(most: int, files: int) -> int:
    """Return a batch size that still fits if half of the files turn out not to be pictures."""
    return max(2, min(most, files // 2))


def _epochs(steps: int, pictures: int, batch: int) -> int:
    """Return the epochs that take about so many steps, within bounds; few pictures get enough steps, too."""
    each = max(pictures // batch, 1)
    most = max(_MOST_EPOCHS, -(-min(steps, _LEAST_STEPS) // each))
    return min(max(-(-steps // each), _FEWEST_EPOCHS), most)


def _preprocessing(side: int) -> Definition:
    return {"size": side, "mean": [0.45, 0.45, 0.45], "std": [0.25, 0.25, 0.25]}


def _imagenet(size: int) -> Definition:
    return {"size": size, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
