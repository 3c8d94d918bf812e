"""Folders that are numbers, and labels that come from a file of lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import IndexedDataset, index_dataset, write_split

NAMES = ["ant", "bee", "cat"]
LISTS = [[0], [2, 1], [], [1, 1]]


def tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), len(file)).save(root / file)
    return root


def numbered(root: Path, **keys: Any) -> IndexedDataset:
    return index_dataset(
        {"kind": "folder", "splits": {"test": str(root)}, "numbered_classes": NAMES} | keys, "v2"
    )


@pytest.fixture
def real(tmp_path: Path) -> dict[str, Any]:
    """Four images of one folder, whose later labels are in a file."""
    files = (f"ant/val_{number:08d}.png" for number in range(1, 5))
    (tmp_path / "real.json").write_text(json.dumps(LISTS))
    return {
        "splits": {"test": str(tree(tmp_path / "val", *files))},
        "label_lists": str(tmp_path / "real.json"),
    }


def test_numbers_of_folders_become_names(tmp_path: Path) -> None:
    """10 sorts before 2 as a folder, and a class without a folder is none."""
    names = [f"class {letter}" for letter in "abcdefghijk"]
    found = numbered(tree(tmp_path, "10/x.png", "2/y.png", "2/z.png"), numbered_classes=names).manifests[
        "test"
    ]
    assert found.classes == ("class c", "class k")
    assert found.labels.tolist() == [1, 0, 0]


def test_some_classes_are_chosen_by_name(tmp_path: Path) -> None:
    found = numbered(tree(tmp_path, "0/x.png", "2/y.png"), classes=["cat"]).manifests["test"]
    assert (found.ids, found.classes) == (("2/y.png",), ("cat",))
    with pytest.raises(UserError, match="'cta' is not in `numbered_classes`; did you mean 'cat'"):
        numbered(tmp_path, classes=["cta"])


def test_a_folder_without_a_name_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"'3/x.png' is of the class '3', but `numbered_classes` names .* 0 to 2"
    ):
        numbered(tree(tmp_path, "3/x.png"))


def test_several_labels_none_and_one(real: dict[str, Any], tmp_path: Path) -> None:
    found = numbered(tmp_path, **real)
    manifest = found.manifests["test"]
    assert manifest.classes == ("ant", "bee", "cat")
    assert manifest.several == ((0,), (2, 1), (), (1,))
    assert manifest.labels.tolist() == [0, -1, -1, 1]
    write_split(tmp_path / "out", found, "test")
    again = read_manifest(tmp_path / "out/test.parquet")
    assert again.several == manifest.several
    assert again.ids == manifest.ids


def test_of_some_classes_the_others_are_no_labels(real: dict[str, Any], tmp_path: Path) -> None:
    manifest = numbered(tmp_path, classes=["bee", "ant"], **real).manifests["test"]
    assert manifest.several == ((1,), (0,), (0,))
    assert manifest.labels.tolist() == [1, 0, 0]


def test_a_limit_keeps_labels_with_their_images(real: dict[str, Any], tmp_path: Path) -> None:
    manifest = numbered(tmp_path, limit={"test": 2}, **real).manifests["test"]
    lists = dict(zip((f"ant/val_{n:08d}.png" for n in range(1, 5)), ((0,), (2, 1), (), (1,)), strict=True))
    assert [lists[name] for name in manifest.ids] == list(manifest.several)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[0], [1]]", r"holds 2 lists of labels, but image 'ant/val_00000003.png' does not end"),
        ("[[0], [3], [], []]", r"image 'ant/val_00000002.png' has labels \[3\], but there are 3 class names"),
        ('{"a": [1]}', "must hold a list of lists"),
        ("[[0]", "is not readable JSON"),
    ],
)
def test_bad_lists_are_named(real: dict[str, Any], tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "real.json").write_text(content)
    with pytest.raises(UserError, match=message):
        numbered(tmp_path, **real)


def test_the_first_classes_alone(tmp_path: Path) -> None:
    found = numbered(tree(tmp_path, "0/x.png", "1/y.png", "2/z.png"), class_limit=2).manifests["test"]
    assert (found.classes, found.ids) == (("ant", "bee"), ("0/x.png", "1/y.png"))
