"""Splits that become one: every image is there once, under its own bytes and label."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.store.atomic import read_json

GREY = {
    "train": {"cat": [10, 11], "dog": [20]},
    "test": {"cat": [30], "dog": [40, 41]},
    "more": {"dog": [50]},
}


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, object]:
    """A definition of three splits, in which files of different splits have the same names."""
    for split, classes in GREY.items():
        for name, values in classes.items():
            for number, value in enumerate(values):
                path = tmp_path / split / name / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), value).save(path)
    return {"kind": "folder", "splits": {split: str(tmp_path / split) for split in GREY}}


def test_merged_splits_hold_the_images_of_all(pictures: dict[str, object], tmp_path: Path) -> None:
    indexed = index_dataset(pictures | {"merge": ["train", "test"]}, "pets")
    assert set(indexed.manifests) == {"train", "more"}
    write_split(tmp_path / "out", indexed, "train")
    images = read_manifest(tmp_path / "out" / "train.parquet")
    source = open_source(read_json(tmp_path / "out" / "train.source.json"), "train")
    pairs = zip(images.locations, images.sha256, strict=True)
    shown = [int(np.asarray(source.read_verified(*pair))[0, 0]) for pair in pairs]
    assert shown == [10, 11, 20, 30, 40, 41]
    assert images.labels.tolist() == [0, 0, 1, 0, 1, 1]
    assert images.ids[0] == "train/cat/0.png"
    assert images.ids[3] == "test/cat/0.png"
    assert read_json(tmp_path / "out" / "train.json")["rows"] == 6


def test_what_is_not_merged_stays_as_it_was(pictures: dict[str, object]) -> None:
    merged = index_dataset(pictures | {"merge": ["train", "test"]}, "pets")
    plain = index_dataset(pictures, "pets")
    assert merged.manifests["more"].content == plain.manifests["more"].content
    assert open_source(merged.source, "more").fetch("dog/0.png") == open_source(plain.source, "more").fetch(
        "dog/0.png"
    )


def test_a_merged_source_travels_to_other_processes(pictures: dict[str, object]) -> None:
    indexed = index_dataset(pictures | {"merge": ["train", "more"]}, "pets")
    source = pickle.loads(pickle.dumps(open_source(indexed.source, "train")))
    location = indexed.manifests["train"].locations[-1]
    assert int(np.asarray(source.read(location))[0, 0]) == 50
    assert source.name(location).endswith("more/dog/0.png")


def test_a_message_names_the_file_of_a_bad_image(pictures: dict[str, object], tmp_path: Path) -> None:
    (tmp_path / "test" / "cat" / "9.png").write_text("no picture")
    with pytest.raises(UserError, match=r"test/cat/9\.png"):
        index_dataset(pictures | {"merge": ["train", "test"]}, "pets")
