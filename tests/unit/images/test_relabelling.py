from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.folders import list_folder
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import IndexedDataset, index_dataset, write_split

GROUPS = [["car", "vehicle"], ["cat", "animal"], ["bus", "vehicle"], ["dog", "animal"], ["ant", "insect"]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("test", 2)):
        for kind in ("cat", "dog", "car", "bus"):
            (tmp_path / split / kind).mkdir(parents=True)
            for number in range(count):
                Image.new("L", (2, 2), number).save(tmp_path / split / kind / f"{number}.png")
    return tmp_path


def indexed(root: Path, **keys: Any) -> IndexedDataset:
    splits = {split: str(root / split) for split in ("train", "test")}
    return index_dataset({"kind": "folder", "splits": splits, **keys}, "things")


def test_classes_are_kept_in_the_order_in_which_they_are_named(tree: Path) -> None:
    manifests = indexed(tree, classes=["dog", "car"]).manifests
    assert manifests["train"].classes == ("dog", "car")
    assert manifests["train"].labels.tolist() == [1, 1, 1, 0, 0, 0]
    assert manifests["test"].ids == ("car/0.png", "car/1.png", "dog/0.png", "dog/1.png")
    assert manifests["test"].fine == ()


def test_superclasses_become_the_labels_and_classes_stay_known(tree: Path, tmp_path: Path) -> None:
    things = indexed(tree, superclasses=GROUPS)
    train = things.manifests["train"]
    assert train.classes == ("vehicle", "animal")
    assert train.labels.tolist() == [0] * 6 + [1] * 6
    assert train.fine == ("bus",) * 3 + ("car",) * 3 + ("cat",) * 3 + ("dog",) * 3
    write_split(tmp_path, things, "train")
    assert pq.read_table(tmp_path / "train.parquet")["class"].to_pylist() == list(train.fine)
    assert read_manifest(tmp_path / "train.parquet").fine == train.fine
    assert json.loads((tmp_path / "train.json").read_text())["classes"] == ["vehicle", "animal"]


def test_classes_superclasses_and_a_limit_go_together(tree: Path) -> None:
    train = indexed(tree, classes=["cat", "dog"], superclasses=GROUPS, limit={"train": 4}).manifests["train"]
    assert train.classes == ("animal",)
    assert len(train) == 4
    assert set(train.fine) == {"cat", "dog"}


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": ["dgo"]}, r"has no folder of the class 'dgo'; did you mean 'dog'"),
        ({"superclasses": [["cat", "animal"], ["dog", "animal"]]}, r"class 'bus' has no superclass"),
    ],
)
def test_what_does_not_fit_is_named(tree: Path, keys: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        indexed(tree, **keys)


def test_other_folders_are_not_looked_into(tree: Path) -> None:
    (tree / "train/cat" / os.fsdecode(b"\xff.png")).touch()  # a name that listing refuses
    definition = {"splits": {"train": str(tree / "train")}}
    with pytest.raises(UserError, match="not valid UTF-8"):
        list_folder(definition)
    listed = list_folder(definition | {"classes": ["dog"]})
    assert listed.splits["train"].ids == ["dog/0.png", "dog/1.png", "dog/2.png"]


def parquet(tmp_path: Path, **splits: list[str | None]) -> dict[str, Any]:
    buffer = io.BytesIO()
    Image.new("L", (2, 2)).save(buffer, format="PNG")
    for split, names in splits.items():
        ids = [f"{split}-{number}" for number in range(len(names))]
        table = pa.table({"id": ids, "image": [buffer.getvalue()] * len(ids), "class": names})
        pq.write_table(table, tmp_path / f"{split}.parquet")
    return {"kind": "parquet", "splits": {split: str(tmp_path / f"{split}.parquet") for split in splits}}


def test_images_without_a_label_are_of_no_class_and_keep_none_under_superclasses(tmp_path: Path) -> None:
    definition = parquet(tmp_path, train=["cat", None, "dog"])
    only = index_dataset(definition | {"classes": ["dog"]}, "things").manifests["train"]
    assert only.ids == ("train-2",)
    grouped = index_dataset(definition | {"superclasses": GROUPS}, "things").manifests["train"]
    assert grouped.labels.tolist() == [0, -1, 0]
    assert grouped.fine == ("cat", None, "dog")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"classes": ["cow"]}, r"data set 'things' has no class 'cow'"),
        ({"classes": ["cat"]}, r"split 'test': no image is of one of its `classes`"),
        ({"superclasses": GROUPS}, r"image 'test-0'.*has label 'insect'"),
    ],
)
def test_splits_that_do_not_fit_are_named(tmp_path: Path, keys: dict[str, Any], message: str) -> None:
    definition = parquet(tmp_path, train=["cat", "dog"], test=["ant"])
    with pytest.raises(UserError, match=message):
        index_dataset(definition | keys, "things")
