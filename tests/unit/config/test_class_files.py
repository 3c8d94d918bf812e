from __future__ import annotations

import csv
import hashlib
from importlib.resources import files
from pathlib import Path

import pytest

from clusterprobe.config.class_files import read_classes, read_superclasses
from clusterprobe.config.errors import UserError


@pytest.mark.parametrize(
    ("number", "digest"), [(50, "5929096f"), (100, "fa6bcd70"), (200, "4c4d2a7a")], ids=["50", "100", "200"]
)
def test_subsets_of_imagenet_are_the_published_ones(number: int, digest: str) -> None:
    names = read_classes(f"imagenet-{number}")
    assert hashlib.md5("".join(f"{name}\n" for name in names).encode()).hexdigest().startswith(digest)
    source = files("clusterprobe.report").joinpath("published", "scan_imagenet_subsets.csv")
    with source.open(encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    labels = {row["wnid"]: int(row[f"label_in_{number}"]) for row in rows if row[f"label_in_{number}"]}
    assert {name: label for label, name in enumerate(names)} == labels


# The superclass of each of the 100 classes in alphabetical order, as an index into the sorted superclasses.
COARSE = """
    4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7
    6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 13 14 17 18 10
    16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16
    12 9 13 15 13 16 19 2 4 6 19 5 5 8 19 18 1 2 15 6 0 17 8 14 13
"""


def test_superclasses_of_cifar_are_the_standard_ones() -> None:
    superclass = read_superclasses("cifar-100")
    names = sorted(set(superclass.values()))
    assert [names.index(superclass[name]) for name in sorted(superclass)] == [int(n) for n in COARSE.split()]


def test_files_of_ones_own_may_have_more_columns(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("superclass,name,class\nanimal,a cat,n1\nanimal,a dog,n2\nvehicle,a car,n0\n")
    assert read_classes(str(path)) == ["n1", "n2", "n0"]
    assert read_superclasses(str(path)) == {"n1": "animal", "n2": "animal", "n0": "vehicle"}


def test_values_that_name_no_file_are_given_back() -> None:
    assert read_classes(["b", "a"]) == ["b", "a"]
    assert read_superclasses({"cat": "animal"}) == {"cat": "animal"}
    assert read_classes(3) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name\nx\n", r"has the columns \['name'\]; it also needs \['class'"),
        ("class,superclass\n", "names no class"),
        ("class,superclass\nx,a\nx,b\n", "row 2: names 'x' a second time"),
        ("class,superclass\nx,\n", "row 1: a value of .* is empty"),
        ("class,superclass\nx\n", "row 1: a value of .* is empty"),
    ],
)
def test_wrong_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "own.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_superclasses(str(path))


def test_a_name_that_is_not_shipped_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no classes 'imagenet-5' ship.*did you mean 'imagenet-50'"):
        read_classes("imagenet-5")
    with pytest.raises(UserError, match=r"gone\.csv does not exist"):
        read_superclasses(str(tmp_path / "gone.csv"))
