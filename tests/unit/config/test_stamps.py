from __future__ import annotations

import os
from pathlib import Path

from clusterprobe.config.datasets import FolderDataset, ObjectNetDataset, ParquetDataset, VocDataset
from clusterprobe.config.stamps import absent_places, location_stamp


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
