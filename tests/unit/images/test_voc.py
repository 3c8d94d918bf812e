"""PASCAL VOC: what its lists say becomes what a manifest says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.store.atomic import read_json

LISTS = {
    "cat_trainval": "000001  1\n000005 -1\n000007  0\n",
    "dog_trainval": "000005  1\n000001 -1\n000007  1\n",
    "cat_test": "000002 -1\n",
    "dog_test": "000002  1\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    lists, pictures = tmp_path / "ImageSets" / "Main", tmp_path / "JPEGImages"
    lists.mkdir(parents=True)
    pictures.mkdir()
    for name, text in LISTS.items():
        (lists / f"{name}.txt").write_text(text)
    (lists / "trainval.txt").write_text("000001\n000005\n000007\n")
    for number in (1, 2, 5, 7, 9):
        Image.new("RGB", (6, 5), (20 * number, 0, 0)).save(pictures / f"{number:06d}.jpg")
    return tmp_path


def test_lists_become_rows_of_shown_classes(root: Path) -> None:
    indexed = index_dataset({"kind": "voc", "root": str(root)}, "voc")
    train = indexed.manifests["train"]
    assert train.classes == ("cat", "dog")
    assert train.ids == ("000001.jpg", "000005.jpg", "000007.jpg")
    np.testing.assert_array_equal(train.shown, [[1, 0], [0, 1], [-1, 1]])
    assert train.labels.tolist() == [-1, -1, -1]
    np.testing.assert_array_equal(indexed.manifests["test"].shown, [[0, 1]])


def test_what_is_written_opens_again(root: Path) -> None:
    indexed = index_dataset({"kind": "voc", "root": str(root), "limit": {"train": 2}}, "voc", ["train"])
    write_split(root / "out", indexed, "train")
    manifest = read_manifest(root / "out" / "train.parquet")
    assert len(manifest) == 2
    np.testing.assert_array_equal(manifest.shown, indexed.manifests["train"].shown)
    source = open_source(read_json(root / "out" / "train.source.json"), "train")
    assert source.read_verified(manifest.locations[0], manifest.sha256[0]).size == (6, 5)
    assert read_json(root / "out" / "train.json")["labelled"] == 0


def test_an_unreadable_image_is_left_out_with_its_row(root: Path) -> None:
    (root / "JPEGImages" / "000005.jpg").write_bytes(b"")
    indexed = index_dataset({"kind": "voc", "root": str(root), "on_bad_image": "skip"}, "voc")
    np.testing.assert_array_equal(indexed.manifests["train"].shown, [[1, 0], [-1, 1]])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("dog_trainval", "000005  1\n", "lists other images than cat_trainval"),
        ("dog_trainval", "000005\n", "is not an image and 1, 0 or -1"),
        ("cat_test", "", "lists no image"),
        ("cat_test", None, "cannot be read"),
    ],
)
def test_lists_that_contradict_are_named(root: Path, name: str, text: str | None, message: str) -> None:
    path = root / "ImageSets" / "Main" / f"{name}.txt"
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(UserError, match=message):
        index_dataset({"kind": "voc", "root": str(root)}, "voc")


def test_a_folder_without_lists_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name the folder that holds ImageSets"):
        index_dataset({"kind": "voc", "root": str(tmp_path)}, "voc")
