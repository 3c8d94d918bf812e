from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from clusterprobe.config.datasets import (
    Dataset,
    FolderDataset,
    LocatedDataset,
    ObjectNetDataset,
    ParquetDataset,
    TarDataset,
    VocDataset,
)
from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.stamps import absent_places, checkpoint_stamp, location_stamp


def test_a_new_picture_in_a_class_folder_changes_the_stamp(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    dataset = FolderDataset(kind="folder", path=str(tmp_path))
    before = location_stamp(dataset)
    assert location_stamp(dataset) == before
    (tmp_path / "cats" / "one.png").touch()
    os.utime(tmp_path / "cats", (1, 1))
    assert location_stamp(dataset) != before


def test_of_some_classes_only_their_folders_count(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    dataset = FolderDataset(kind="folder", path=str(tmp_path), classes=["cats"])
    before = location_stamp(dataset)
    (tmp_path / "dogs").mkdir()
    assert location_stamp(dataset) == before
    os.utime(tmp_path / "cats", (1, 1))
    assert location_stamp(dataset) != before


def test_a_new_parquet_file_changes_the_stamp_and_a_missing_one_is_no_error(tmp_path: Path) -> None:
    dataset = ParquetDataset(kind="parquet", splits={"train": str(tmp_path / "x.parquet")})
    before = location_stamp(dataset)
    (tmp_path / "x.parquet").write_bytes(b"x")
    assert location_stamp(dataset) != before


def test_what_an_unmounted_disk_leaves_is_absent(tmp_path: Path) -> None:
    folder = FolderDataset(kind="folder", path=str(tmp_path / "disk"))
    files = ParquetDataset(kind="parquet", splits={"train": str(tmp_path / "disk" / "x.parquet")})
    for make in (lambda: None, (tmp_path / "disk").mkdir):
        make()
        assert absent_places(folder) == [str(tmp_path / "disk")]
        assert absent_places(files) == [str(tmp_path / "disk" / "x.parquet")]
    (tmp_path / "disk" / "x.parquet").touch()
    assert absent_places(folder) == absent_places(files) == []


def test_of_objectnet_images_and_mappings_count(tmp_path: Path) -> None:
    dataset = ObjectNetDataset(kind="objectnet", root=str(tmp_path))
    assert absent_places(dataset) == [str(tmp_path / "images")]
    (tmp_path / "images" / "chair").mkdir(parents=True)
    (tmp_path / "mappings").mkdir()
    before = location_stamp(dataset)
    assert absent_places(dataset) == []
    (tmp_path / "mappings" / "names.json").write_text("{}")
    between = location_stamp(dataset)
    os.utime(tmp_path / "images" / "chair", (1, 1))
    assert len({before, between, location_stamp(dataset)}) == 3


def test_a_file_of_labels_changes_the_stamp_of_its_images(tmp_path: Path) -> None:
    lists = str(tmp_path / "real.json")
    dataset = FolderDataset(kind="folder", path=str(tmp_path), numbered_classes=["a"], label_lists=lists)
    (tmp_path / "images").mkdir()
    before = location_stamp(dataset)
    (tmp_path / "real.json").write_text("[[0]]")
    os.utime(tmp_path, (1, 1))
    assert location_stamp(dataset) != before


def test_pascal_voc_is_its_pictures_and_its_lists(tmp_path: Path) -> None:
    dataset = VocDataset(kind="voc", root=str(tmp_path))
    assert absent_places(dataset) == [str(tmp_path / name) for name in ("JPEGImages", "ImageSets")]
    location_stamp(dataset)
    for name in ("JPEGImages", "ImageSets/Main"):
        (tmp_path / name).mkdir(parents=True)
    assert absent_places(dataset) == []
    for changed in ("JPEGImages", "ImageSets/Main"):
        before = location_stamp(dataset)
        os.utime(tmp_path / changed, (1, 1))
        assert location_stamp(dataset) != before


def test_classes_whose_folders_are_numbers_hide_no_folder(tmp_path: Path) -> None:
    (tmp_path / "0").mkdir()
    dataset = FolderDataset(kind="folder", path=str(tmp_path), numbered_classes=["cat"], classes=["cat"])
    before = location_stamp(dataset)
    os.utime(tmp_path / "0", (1, 1))
    assert location_stamp(dataset) != before


def test_of_a_growing_folder_every_file_at_any_depth_counts(tmp_path):
    root = tmp_path / "pictures"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "one.png").write_bytes(b"1")
    (root / "loop").symlink_to(".")
    (root / "nowhere.png").symlink_to("nothing")

    def stamp(path=root, **more):
        return location_stamp(FolderDataset(kind="folder", splits={"train": str(path)}, growing=True, **more))

    stamps = [stamp()]
    (root / "a" / "b" / "two.png").write_bytes(b"2")
    stamps.append(stamp())
    (root / "a" / "b" / "one.png").write_bytes(b"other")
    stamps.append(stamp())
    (root / "a" / "b" / "one.png").rename(root / "a" / "one.png")
    stamps.append(stamp())
    (tmp_path / "labels.csv").write_text("path,label\n")
    stamps.append(stamp(label_file=str(tmp_path / "labels.csv")))
    assert len(set(stamps)) == 5
    root.rename(tmp_path / "renamed")
    assert stamp(tmp_path / "renamed") == stamps[3]


@pytest.mark.parametrize(
    ("kind", "places", "changed"),
    [
        (FolderDataset, {"path": "~/set"}, "set/a"),
        (FolderDataset, {"splits": {"train": "~/set"}, "growing": True}, "set/a/file"),
        (FolderDataset, {"path": "~/set", "label_file": "~/set/a/file"}, "set/a/file"),
        (ParquetDataset, {"splits": {"train": "~/set/a/file"}}, "set/a/file"),
        (TarDataset, {"splits": {"train": "~/set/a/file"}}, "set/a/file"),
        (ObjectNetDataset, {"root": "~/set"}, "set/images/a"),
        (VocDataset, {"root": "~/set"}, "set/JPEGImages"),
    ],
    ids=["folder", "growing", "labels", "parquet", "tar", "objectnet", "voc"],
)
def test_a_tilde_is_home(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[LocatedDataset],
    places: dict[str, object],
    changed: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a", "images/a", "JPEGImages", "ImageSets"):
        (tmp_path / "set" / name).mkdir(parents=True)
    (tmp_path / "set" / "a" / "file").touch()
    name = kind.__name__.removesuffix("Dataset").lower()
    dataset = TypeAdapter[Dataset](Dataset).validate_python({"kind": name, **places})
    assert absent_places(dataset) == []
    before = location_stamp(dataset)
    os.utime(tmp_path / changed, (1, 1))
    assert location_stamp(dataset) != before


def _checkpoint(**place: object) -> FileEncoder:
    fields = {"kind": "file", "architecture": {"name": "resnet18"}}
    return FileEncoder.model_validate(
        fields | {"preprocessing": {"size": 8, "channels": 1, "mean": [0.5], "std": [0.5]}} | place
    )


def test_a_local_checkpoint_that_is_overwritten_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "weights.pth").write_bytes(b"1")
    (tmp_path / "many").mkdir()
    (tmp_path / "many" / "variables").write_bytes(b"1")
    (tmp_path / "part.index").write_bytes(b"1")
    named = str(tmp_path / "weights.pth")
    for place, file in (
        ({"url": named}, "weights.pth"),
        ({"url": f"file://{named}"}, "weights.pth"),
        ({"url": "https://example.org/weights.pth", "path": named}, "weights.pth"),
        ({"path": str(tmp_path / "many")}, "many/variables"),
        ({"path": str(tmp_path / "part"), "parts": [".index"]}, "part.index"),
    ):
        encoder, noted = _checkpoint(**place), tmp_path / "noted"
        before = checkpoint_stamp(encoder, noted)
        assert before is not None
        assert checkpoint_stamp(encoder, noted) == before
        (tmp_path / file).write_bytes(b"other")
        assert checkpoint_stamp(encoder, noted) != before, place
        (tmp_path / file).write_bytes(b"1")


def test_of_a_checkpoint_that_is_gone_stands_what_was_noted(tmp_path: Path) -> None:
    encoder = _checkpoint(path=str(tmp_path / "weights.pth"))
    assert checkpoint_stamp(encoder, tmp_path / "noted") is None
    (tmp_path / "noted").write_text("checkpoint-01234567")
    assert checkpoint_stamp(encoder, tmp_path / "noted") == "checkpoint-01234567"
    (tmp_path / "weights.pth").touch()
    assert checkpoint_stamp(encoder, tmp_path / "noted") != "checkpoint-01234567"


def test_a_checkpoint_from_elsewhere_has_no_stamp(tmp_path: Path) -> None:
    assert checkpoint_stamp(_checkpoint(url="https://example.org/weights.pth"), tmp_path / "noted") is None
    assert checkpoint_stamp(_checkpoint(page="https://example.org", file="w.pth"), tmp_path / "noted") is None
