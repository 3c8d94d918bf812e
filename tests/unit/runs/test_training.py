"""Trainings of the workflow from files: on images or on features of them, chosen by images that they name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import load_encoder, save_encoder, untrained_encoder
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.features.extract import extract_shard
from clusterprobe.features.views import AugmentedViews
from clusterprobe.images.manifest import Manifest, read_manifest, write_manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.objectives.kernels.neighbourhoods import nearest_others
from clusterprobe.objectives.kernels.scan_loss import neighbourhood_loss
from clusterprobe.runs import training
from clusterprobe.runs.ingredients import Ingredients
from clusterprobe.runs.training import run_training
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import read_json
from clusterprobe.train.interrupt import TrainingInterrupted

SIZES = {"train": 20, "test": 9}
PREPROCESSING = {"size": 8, "resize": 8, "interpolation": "bilinear", "crop_ratio": 1.0,
                 "mean": [0.5], "std": [0.25], "channels": 1}  # fmt: skip
ARCHITECTURE = {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8]}}
STEPS = [{"name": "gaussian-noise", "sigma": 0.1}]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures in two splits, an encoder to go on from, neighbours, and features of everything."""
    folder = tmp_path_factory.mktemp("training")
    random = np.random.default_rng(0)
    for split, count in SIZES.items():
        for number in range(count):
            path = folder / "images" / split / "ab"[number % 2] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(random.integers(0, 256, (8, 8), dtype=np.uint8)).save(path)
    splits = {split: str(folder / "images" / split) for split in SIZES}
    indexed = index_dataset({"kind": "folder", "splits": splits}, "pictures")
    for split in SIZES:
        write_split(folder, indexed, split)
    start = untrained_encoder(
        str(ARCHITECTURE["name"]), dict(ARCHITECTURE["options"]), 0, Preprocessing.from_dict(PREPROCESSING)
    )
    save_encoder(folder / "start", start)
    content = read_manifest(folder / "train.parquet").content
    save_arrays(
        folder / "neighbours.npz", {"neighbours": random.integers(0, 20, (20, 3)), "content": content}
    )
    extract(folder, "train", "plain")
    extract(folder, "test", "plain")
    extract(folder, "train", "views", AugmentedViews(2, STEPS, 3))
    return folder


def extract(place: Path, split: str, name: str, views: AugmentedViews | None = None) -> None:
    for shard in range(2):
        extract_shard(
            place / "start",
            "pooled",
            place / f"{split}.parquet",
            place / f"{split}.source.json",
            split,
            shard,
            2,
            place / name / split / f"0000{shard}-of-00002.npy",
            space=name,
            mode="eval",
            batch_size=8,
            workers=0,
            device="cpu",
            views=views,
        )


def shards(place: Path, name: str, split: str = "train") -> list[Path]:
    return sorted((place / name / split).glob("*.npy"))


def on_images(place: Path, **changes: Any) -> Ingredients:
    values = {
        "manifest": place / "train.parquet",
        "facts": place / "train.json",
        "location": place / "train.source.json",
        "start": place / "start",
        "neighbours": place / "neighbours.npz",
    }
    return Ingredients(**values | changes)


def on_features(place: Path, **changes: Any) -> Ingredients:
    features = {"views": shards(place, "views"), "plain": shards(place, "plain")}
    return on_images(place, **{"location": None, **features, **changes})


def definition(**options: Any) -> dict[str, Any]:
    """Two heads of SCAN for three epochs."""
    return {
        "kind": "trained",
        "licence": None,
        "seen": "same",
        "clusters": {"k": 3, "factor": None},
        "seed": 3,
        "objective": {"name": "scan", "options": {"frozen": True, "keep": "last", **options}},
        "architecture": ARCHITECTURE,
        "head": {"kind": "linear", "options": {}, "count": 2},
        "preprocessing": PREPROCESSING,
        "augmentation": STEPS,
        "optimiser": {"name": "sgd", "learning_rate": 0.1},
        "epochs": 3,
        "batch_size": 5,
    }


def train(made_from: Ingredients, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """Train them; return the lines of the log."""
    return train_as(definition(**options), made_from, folder)


def train_as(
    described: Mapping[str, Any], made_from: Ingredients, folder: Path, deadline: float | None = None
) -> list[dict[str, Any]]:
    run_training(
        described, made_from, folder, folder / "state", code="", device="cpu", deadline_seconds=deadline
    )
    return [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]


def pixels(place: Path, split: str) -> torch.Tensor:
    manifest = read_manifest(place / f"{split}.parquet")
    source = open_source(read_json(place / f"{split}.source.json"), split)
    preprocessing = Preprocessing.from_dict(PREPROCESSING)
    read = [preprocessing.apply(source.read(location)) for location in manifest.locations]
    return preprocessing.normalise(torch.from_numpy(np.stack(read)))


def expected_selection(place: Path, folder: Path) -> list[float]:
    """What the heads lose on the test images: 5 neighbours and the image itself, entropy weight 1."""
    encoder = load_encoder(folder)
    with torch.inference_mode():
        features = encoder.body(pixels(place, "test"))
        near = torch.cat([torch.arange(9)[:, None], nearest_others(features, 5)], dim=1)
        return [float(neighbourhood_loss(head(features), near, 1.0).total) for head in encoder.heads.values()]


def test_images_to_choose_by_come_from_the_split_that_is_named(place: Path, tmp_path: Path) -> None:
    selection = {
        "selection_manifest": place / "test.parquet",
        "selection_location": place / "test.source.json",
    }
    log = train(on_images(place, **selection), tmp_path, selection="evaluation")
    found = [log[-1][f"selection_loss/{name}"] for name in "01"]
    assert found == pytest.approx(expected_selection(place, tmp_path), rel=1e-4)


def test_features_to_choose_by_stand_in_for_images(place: Path, tmp_path: Path) -> None:
    selection = {
        "selection_manifest": place / "test.parquet",
        "selection_plain": shards(place, "plain", "test"),
    }
    log = train(on_features(place, **selection), tmp_path, selection="evaluation")
    found = [log[-1][f"selection_loss/{name}"] for name in "01"]
    assert found == pytest.approx(expected_selection(place, tmp_path), abs=5e-3)  # float16


def test_without_them_an_objective_that_asks_says_so(place: Path, tmp_path: Path) -> None:
    for made_from in (on_images(place), on_features(place)):
        with pytest.raises(UserError, match="needs the image set 'selection'"):
            train(made_from, tmp_path, selection="evaluation")


def test_heads_on_features_make_the_same_kind_of_encoder(place: Path, tmp_path: Path) -> None:
    train(on_features(place), tmp_path / "one")
    encoder = load_encoder(tmp_path / "one")
    before = load_file(place / "start" / "weights.safetensors")
    after = load_file(tmp_path / "one" / "weights.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert [head.width for head in encoder.heads.values()] == [3, 3]
    assert encoder.record.source["head"] in encoder.heads
    assert {path.name for path in (tmp_path / "one").iterdir()} == {
        *("encoder.json", "weights.safetensors", "heads.safetensors", "training.jsonl", "found.npz")
    }

    train(on_features(place), tmp_path / "again")
    train(on_images(place), tmp_path / "images")
    heads = [(tmp_path / name / "heads.safetensors").read_bytes() for name in ("one", "again", "images")]
    assert heads[0] == heads[1] != heads[2]
    assert not (tmp_path / "one" / "state").exists()


def test_features_of_other_images_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="features of other images"):
        train(on_features(place, views=shards(place, "plain", "test")), tmp_path)
    with pytest.raises(UserError, match="a shard is missing"):
        train(on_features(place, views=shards(place, "views")[:1]), tmp_path)


def test_a_state_belongs_to_its_features(place: Path) -> None:
    whole, other = on_features(place), on_features(place, views=shards(place, "plain"))
    assert whole.hashes() == on_features(place).hashes()
    assert whole.hashes() != other.hashes()
    chosen = on_images(place, selection_manifest=place / "test.parquet")
    assert chosen.hashes() != on_images(place).hashes()


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8], "strides": [1, 1]}},
        {"name": "small-convnet", "options": {"channels": 1, "widths": [6, 8]}},
        {"name": "pixels", "options": {"channels": 1, "size": 8}},
    ],
    ids=["strides", "widths", "name"],
)
def test_a_successor_has_the_architecture_of_its_start(
    place: Path, tmp_path: Path, architecture: dict[str, Any]
) -> None:
    """Strides change no shape of a tensor: without a word heads would stand on other features."""
    with pytest.raises(UserError, match="its successor must have its architecture"):
        train_as(definition() | {"architecture": architecture}, on_images(place), tmp_path)


def on_labels(place: Path, folder: Path, **changes: Any) -> Ingredients:
    """The same images with other labels or classes."""
    images = read_manifest(place / "train.parquet")
    columns = {name: getattr(images, name) for name in ("ids", "locations", "labels", "classes", "sha256")}
    path = folder / "labels.parquet"
    write_manifest(path, Manifest(**columns | changes))
    return on_images(place, manifest=path, start=None)


SUPERVISED = {"objective": {"name": "supervised", "options": {}}, "clusters": None,
              "head": {"kind": "linear", "options": {"dimensions": 2}, "count": 1}}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "described", "resumes"),
    [
        ({}, SUPERVISED, True),
        ({"labels": np.arange(20) % 2}, SUPERVISED, False),
        ({"classes": ("b", "a")}, SUPERVISED, False),
        ({"labels": np.arange(20) % 2}, {}, True),
    ],
    ids=["the same", "labels", "classes", "without labels"],
)
def test_a_state_belongs_to_the_labels_that_it_learns(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, Any],
    described: dict[str, Any],
    resumes: bool,
) -> None:
    with pytest.raises(TrainingInterrupted):
        train_as(definition() | described, on_labels(place, tmp_path), tmp_path / "run", deadline=0)
    train_as(definition() | described, on_labels(place, tmp_path, **changes), tmp_path / "run")
    assert ("starting afresh" in capsys.readouterr().err) != resumes


def test_the_time_limit_counts_from_before_the_images_are_opened(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)

    def slow(*arguments: Any) -> Any:
        clock.now += 100
        return open_data(*arguments)

    open_data = training.open_data
    monkeypatch.setattr(training, "open_data", slow)
    monkeypatch.setattr("clusterprobe.train.interrupt.time", SimpleNamespace(monotonic=lambda: clock.now))
    with pytest.raises(TrainingInterrupted, match="time limit in epoch 1 after step 1"):
        train_as(definition(), on_images(place), tmp_path, deadline=100)
