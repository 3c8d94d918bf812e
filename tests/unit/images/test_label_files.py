from __future__ import annotations

import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.folders import list_folder
from clusterprobe.images.label_files import read_labels

PICTURES = ["a/1.png", "2.png", "two\nlines.png"]


def write(folder, text):
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_are_found_by_path_and_may_be_few(tmp_path):
    path = write(
        tmp_path, '\ufefflabel,path,more\ncat,a/1.png,x\n,2.png,\n"d,o",gone.png,\ndog,"two\nlines.png",\n'
    )
    assert read_labels(path, PICTURES) == {"a/1.png": "cat", "two\nlines.png": "dog"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,class\n2.png,cat\n", "has no column 'label', only path, class"),
        ("", "has no column 'path'"),
        ("path,label\n2.png,cat\n2.png,dog\n", "two labels, 'cat' and 'dog'"),
        ("path,label\n/abs/2.png,cat\n", "labels none of the pictures .*'/abs/2.png'"),
        ("path,label\n", "labels none of the pictures"),
    ],
)
def test_files_that_do_not_fit_are_said(tmp_path, text, message):
    with pytest.raises(UserError, match=message):
        read_labels(write(tmp_path, text), PICTURES)


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_labels(tmp_path / "none.csv", PICTURES)


def test_a_table_takes_the_place_of_sub_folders(tmp_path):
    (tmp_path / "root" / "a").mkdir(parents=True)
    for name in PICTURES[:2]:
        Image.new("L", (2, 2)).save(tmp_path / "root" / name)
    path = write(tmp_path, "path,label\n2.png,cat\n")
    definition = {"splits": {"train": str(tmp_path / "root")}, "label_file": str(path)}
    listed = list_folder(definition)
    assert dict(zip(listed.splits["train"].ids, listed.splits["train"].names, strict=True)) == {
        "2.png": "cat",
        "a/1.png": None,
    }
    assert listed.classes == ("cat",)
