from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.shifted import render_shifted, write_shifted
from clusterprobe.images.sources import index_dataset, open_source, write_split
from clusterprobe.store.hashing import sha256_file


def pictures(root: Path, count: int = 12) -> Path:
    for kind, base in (("cat", 0), ("dog", 100)):
        for number in range(count):
            (root / kind).mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 9), base + number).save(root / kind / f"{number:02d}.png")
    return root


def definition(root: Path, **options: object) -> dict[str, object]:
    return {"kind": "folder", "splits": {"train": str(root)}, **options}


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_manifest_tells_where_each_image_lies_and_what_it_is(tmp_path):
    root = pictures(tmp_path / "images", 2)
    indexed = index_dataset(definition(root), "pets")
    train = indexed.manifests["train"]
    assert train.ids == ("cat/00.png", "cat/01.png", "dog/00.png", "dog/01.png")
    assert train.labels.tolist() == [0, 0, 1, 1]
    assert train.sha256 == tuple(sha256_file(root / name) for name in train.ids)
    source = open_source(indexed.source, "train")
    images = map(source.read_verified, train.locations, train.sha256)
    grey = [int(np.asarray(image)[0, 0]) for image in images]
    assert grey == [0, 1, 100, 101]


def test_files_are_the_same_twice_and_only_the_source_knows_the_place(tmp_path):
    folders = []
    for name in ("here", "there"):
        indexed = index_dataset(definition(pictures(tmp_path / name)), "pets")
        write_split(tmp_path / f"{name} out", indexed, "train")
        folders.append(everything(tmp_path / f"{name} out"))
    sources = [json.loads(folder.pop("train.source.json")) for folder in folders]
    assert folders[0] == folders[1]
    assert [source["splits"]["train"] for source in sources] == [str(tmp_path / n) for n in ("here", "there")]
    assert all(str(tmp_path).encode() not in data for data in folders[0].values())
    assert json.loads(folders[0]["train.json"]) == {
        "dataset": "pets",
        "kind": "folder",
        "split": "train",
        "classes": ["cat", "dog"],
        "rows": 24,
        "labelled": 24,
        "side": 9,
        "content": read_manifest(tmp_path / "here out" / "train.parquet").content,
        "skipped": [],
    }


@pytest.mark.parametrize("verify", ["decode", "header"])
def test_the_side_is_that_of_squares_of_one_size(tmp_path, verify):
    root = pictures(tmp_path / "images", 2)
    assert index_dataset(definition(root, verify=verify), "pets").sides == {"train": 9}
    for size in ((9, 8), (8, 8)):
        Image.new("L", size).save(root / "dog" / "more.png")
        assert index_dataset(definition(root, verify=verify), "pets").sides == {"train": None}


def test_unlabelled_data_sets_have_no_classes_and_may_not_claim_any(tmp_path):
    cats = definition(pictures(tmp_path / "images", 2) / "cat")
    write_split(tmp_path / "out", index_dataset(cats, "cats"), "train")
    record = json.loads((tmp_path / "out" / "train.json").read_text())
    assert record["classes"] is None
    assert record["labelled"] == 0
    with pytest.raises(UserError, match=r"'cats' has no class labels.*labelled: false"):
        index_dataset({**cats, "labelled": True}, "cats")


def test_one_split_can_be_indexed_alone_with_the_classes_of_all(tmp_path):
    pictures(tmp_path / "a", 1)
    (tmp_path / "b" / "dog").mkdir(parents=True)
    Image.new("L", (9, 9)).save(tmp_path / "b" / "dog" / "1.png")
    (tmp_path / "a" / "cat" / "00.png").write_bytes(b"no image")
    both = {"kind": "folder", "splits": {"train": tmp_path / "a", "test": tmp_path / "b"}}
    indexed = index_dataset(both, "pets", only=["test"])
    assert list(indexed.manifests) == ["test"]
    assert indexed.manifests["test"].classes == ("cat", "dog")
    assert indexed.manifests["test"].labels.tolist() == [1]
    with pytest.raises(UserError, match=r"'pets' has no split 'tset'; did you mean 'test'"):
        index_dataset(both, "pets", only=["tset"])


@pytest.mark.parametrize("content", [b"", b"no image", "cut", "gone"])
def test_a_bad_image_stops_the_index_or_is_left_out_and_recorded(tmp_path, content):
    root = pictures(tmp_path / "images", 3)
    bad = root / "dog" / "01.png"
    if content == "gone":
        bad.unlink()
        bad.symlink_to(tmp_path / "nowhere.png")
    else:
        bad.write_bytes(bad.read_bytes()[:-20] if content == "cut" else content)
    with pytest.raises(UserError, match=rf"{bad}: .*on_bad_image: skip"):
        index_dataset(definition(root), "pets")
    indexed = index_dataset(definition(root, on_bad_image="skip"), "pets")
    assert len(indexed.manifests["train"]) == 5
    assert indexed.manifests["train"].labels.tolist() == [0, 0, 0, 1, 1]
    [entry] = indexed.skipped
    assert entry["file"] == "dog/01.png"
    assert entry["reason"]
    assert str(tmp_path) not in entry["reason"]


def test_headers_alone_are_read_when_that_is_asked_for(tmp_path):
    root = pictures(tmp_path / "images", 1)
    cut = root / "cat" / "00.png"
    cut.write_bytes(cut.read_bytes()[:-20])
    assert len(index_dataset(definition(root, verify="header"), "pets").manifests["train"]) == 2
    cut.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cat/00\.png"):
        index_dataset(definition(root, verify="header"), "pets")


def test_nothing_left_after_skipping_is_an_error(tmp_path):
    root = tmp_path / "images"
    root.mkdir()
    (root / "only.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"index pets/train: none of the 1 images.*only\.png"):
        index_dataset(definition(root, on_bad_image="skip"), "pets")


def test_a_limit_keeps_the_proportions_and_ignores_the_rest(tmp_path):
    root = pictures(tmp_path / "images")
    kept = index_dataset(definition(root, limit={"train": 6}), "pets").manifests["train"]
    assert np.bincount(kept.labels).tolist() == [3, 3]
    assert list(kept.ids) == sorted(kept.ids)
    other = index_dataset(definition(root, limit={"train": 6}, split_seed=1), "pets").manifests["train"]
    assert kept.ids != other.ids
    for limit, message in (
        ({"trian": 6}, "no split 'trian'; did you mean 'train'"),
        ({"train": 0}, "is 0"),
    ):
        with pytest.raises(UserError, match=message):
            index_dataset(definition(root, limit=limit), "pets")


def test_an_image_that_changed_is_refused_and_named(tmp_path):
    root = pictures(tmp_path / "images", 1)
    indexed = index_dataset(definition(root), "pets")
    train, source = indexed.manifests["train"], open_source(indexed.source, "train")
    Image.new("L", (9, 9), 77).save(root / "cat" / "00.png")
    with pytest.raises(UserError, match=rf"{root}/cat/00\.png changed since it was indexed: index"):
        source.read_verified(train.locations[0], train.sha256[0])
    assert source.read_verified(train.locations[1], train.sha256[1]).size == (9, 9)


def test_duplicate_ids_are_named_with_data_set_and_split(tmp_path):
    table = pa.table({"id": ["a", "b", "a"], "image": [b"", b"", b""]})
    pq.write_table(table, tmp_path / "twice.parquet")
    with pytest.raises(UserError, match=r"duplicate ids .*'pets', split 'test': 'a';"):
        index_dataset({"kind": "parquet", "splits": {"test": tmp_path / "twice.parquet"}}, "pets")


def test_shifted_digits_are_indexed_like_any_parquet_file(tmp_path):
    digits = index_dataset({"kind": "digits"}, "digits")
    table = render_shifted(
        digits.manifests["test"], open_source(digits.source, "test"), {"shifts": ["inversion"]}
    )
    write_shifted(tmp_path / "shifted.parquet", table)
    indexed = index_dataset({"kind": "shifted", "splits": {"test": tmp_path / "shifted.parquet"}}, "shifted")
    test = indexed.manifests["test"]
    assert test.classes == ("0", "1", "2", "3", "5", "6 or 9", "7", "8")
    assert test.labels.tolist() == table["label"].to_pylist()
    original = open_source(digits.source, "test").read(digits.manifests["test"].locations[0])
    shifted = open_source(indexed.source, "test").read(test.locations[0])
    assert (np.asarray(shifted) == 255 - np.asarray(original)).all()


def test_unknown_kinds_and_splits_are_named(tmp_path):
    with pytest.raises(UserError, match=r"'pets' has the unknown kind 'foldr'; did you mean 'folder'"):
        index_dataset({"kind": "foldr"}, "pets")
    indexed = index_dataset(definition(pictures(tmp_path, 1)), "pets")
    with pytest.raises(UserError, match=r"no split 'test'; choose one of: train"):
        open_source(indexed.source, "test")
    with pytest.raises(UserError, match="unknown kind 'other'"):
        open_source({"kind": "other", "splits": {"test": ""}}, "test")


def test_digits_have_a_content_that_never_changes():
    manifests = index_dataset({"kind": "digits"}, "digits").manifests
    assert {split: manifest.content[:8] for split, manifest in manifests.items()} == {
        "train": "c50cab3f",
        "test": "1c17d83d",
    }
