"""Bursts: few images of the train split, each there several times, a little moved."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.bursts import BurstSource, moved
from clusterprobe.images.digits import DigitsSource
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.images.splits import one_in
from clusterprobe.store.atomic import read_json


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifests of digits in bursts of five."""
    folder = tmp_path_factory.mktemp("digits-hc")
    indexed = index_dataset({"kind": "digits", "bursts": 5}, "digits-hc")
    for split in ("train", "test"):
        write_split(folder, indexed, split)
    return folder


def pixels(folder: Path, manifest: Manifest, rows: range) -> np.ndarray:
    source = open_source(read_json(folder / "train.source.json"), "train")
    found = [source.read_verified(manifest.locations[row], manifest.sha256[row]) for row in rows]
    return np.stack([np.asarray(image, dtype=np.float64) for image in found])


def test_one_image_in_five_of_every_class_stands_for_all(bursts: Path) -> None:
    whole = index_dataset({"kind": "digits"}, "digits").manifests
    train, test = read_manifest(bursts / "train.parquet"), read_manifest(bursts / "test.parquet")
    assert test.ids == whole["test"].ids
    assert test.sha256 == whole["test"].sha256
    sizes = np.bincount(whole["train"].labels)
    assert np.bincount(train.labels).tolist() == [5 * round(size / 5) for size in sizes]
    shown = [image.rpartition("/")[0] for image in train.ids]
    assert set(shown) <= set(whole["train"].ids)
    assert shown == [each for each in dict.fromkeys(shown) for _ in range(5)]
    label_of = dict(zip(whole["train"].ids, whole["train"].labels, strict=True))
    assert [label_of[each] for each in shown] == train.labels.tolist()
    assert len(set(train.sha256)) == len(train.sha256)


def test_frames_of_a_burst_are_alike_but_not_the_same(bursts: Path) -> None:
    train = read_manifest(bursts / "train.parquet")
    frames = pixels(bursts, train, range(50)).reshape(10, 5, -1)
    original = np.asarray(DigitsSource().read(train.locations[0].partition(":")[2]), dtype=np.float64)
    assert (frames[0, 0] == original.ravel()).all()
    within = np.abs(frames[:, 1:] - frames[:, :1]).mean()
    between = np.abs(np.roll(frames[:, 0], 1, axis=0) - frames[:, 0]).mean()
    assert 0 < within < between / 2
    assert (frames[:, 1:] != frames[:, :1]).any(axis=2).all()


def test_indexing_again_gives_the_same_frames_and_another_seed_other_ones(bursts: Path) -> None:
    train = read_manifest(bursts / "train.parquet")
    again = index_dataset({"kind": "digits", "bursts": 5}, "digits-hc").manifests["train"]
    assert (again.ids, again.sha256) == (train.ids, train.sha256)
    ids = [str(number) for number in range(100)]
    kept = [one_in(ids, np.zeros(100, dtype=np.int64), 5, seed).tolist() for seed in (0, 1)]
    assert [len(each) for each in kept] == [20, 20]
    assert kept[0] != kept[1]


def test_no_class_vanishes_and_images_without_a_label_count_as_one() -> None:
    labels = np.array([0] * 20 + [1] + [-1] * 9)
    kept = one_in([str(number) for number in range(30)], labels, 10, 0)
    assert np.bincount(labels[kept] + 1).tolist() == [1, 2, 1]


def test_a_limit_counts_before_and_other_kinds_have_bursts_too(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        for number in range(10):
            path = tmp_path / "pets" / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((24, 16), 60).convert("RGB").save(path)
    places = {split: str(tmp_path / "pets") for split in ("train", "test")}
    definition = {"kind": "folder", "splits": places}
    chosen = {"limit": {"train": 12}, "bursts": 3, "merge": ["train", "test"]}
    indexed = index_dataset(definition | chosen, "pets")
    assert np.bincount(indexed.manifests["train"].labels).tolist() == [6, 6]
    assert indexed.manifests["train"].ids[1].endswith(".png/frame-1")
    write_split(tmp_path, indexed, "train")
    source = open_source(read_json(tmp_path / "train.source.json"), "train")
    manifest = indexed.manifests["train"]
    for location, sha256 in zip(manifest.locations, manifest.sha256, strict=True):
        image = source.read_verified(location, sha256)
        assert (image.size, image.mode) == ((24, 16), "RGB")
    assert isinstance(pickle.loads(pickle.dumps(source)), BurstSource)


def test_a_picture_of_one_colour_stays_as_it_is() -> None:
    for image in (Image.new("L", (8, 8), 200), Image.new("RGB", (30, 20), (1, 2, 3))):
        frame = moved(image, "a key")
        assert (frame.mode, frame.size, frame.tobytes()) == (image.mode, image.size, image.tobytes())


def test_frames_are_named_in_messages() -> None:
    source = BurstSource(DigitsSource())
    assert source.name("3:17") == "digit 17, frame 3"
    with pytest.raises(UserError, match="digit 17, frame 3 changed since it was indexed"):
        source.read_verified("3:17", "another")
