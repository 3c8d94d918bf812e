"""Wrong calls of `clusterprobe cluster` and its like: one message, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clusterprobe.cli import main

HERE = {
    "none.csv": "path,label\nelsewhere.png,cat\n",
    "columns.csv": "file;class\n",
    "net.pth": "",
    "a.txt": "",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with some pictures, an empty one, and files of other kinds."""
    for name in ("pics", "empty"):
        (tmp_path / name).mkdir()
    for number in range(8):
        Image.fromarray(np.full((4, 4), number, dtype=np.uint8)).save(tmp_path / "pics" / f"{number}.png")
    for name, text in HERE.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cluster nowhere", "is not a folder"),
        ("cluster a.txt", "is not a folder"),
        ("cluster empty", "holds no image"),
        ("cluster pics --encoder pixels --k 9", "9 clusters of 8 pictures: ask for fewer"),
        ("cluster pics --encoder pixels --labels gone.csv", "say `folders`, or a CSV file"),
        ("cluster pics --encoder pixels --labels columns.csv", "no column 'path'"),
        ("cluster pics --encoder pixels --labels none.csv", "labels none of the pictures"),
        ("cluster pics --encoder pixel", "did you mean 'pixels'"),
        ("cluster pics --encoder net.pth", "say what network it is"),
        ("cluster pics --encoder gone.pth --architecture torchvision:resnet50", "there is no such file"),
        ("cluster pics --encoder some/gone.pth", "there is no such file"),
        ("cluster pics --encoder pixels --checkpoint net.pth", "is the file of an entry of the catalogue"),
        ("cluster pics --encoder moco-v2-200 --checkpoint gone.pth", "gone.pth does not exist"),
        ("cluster pics --encoder pixels --out a.txt", "is a file: name a folder"),
        ("cluster pics --encoder pixels --out pics/out", "which is never changed"),
        ("cluster pics --encoder pixels --out .", "holds something else already"),
        ("cut pics --k 2", "is no result of `clusterprobe cluster`"),
        ("assign nowhere pics", "holds no model"),
    ],
)
def test_a_wrong_call_ends_with_one_message_and_leaves_nothing(arguments, message, here, capsys):
    before = sorted(here.rglob("*"))
    assert main(arguments.split()) == 1
    assert message in capsys.readouterr().err
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "wish", ["--k 0", "--k ten", "--epochs 0", "--size -1", "--cores x", "--merge-from 0", "--method dbscan"]
)
def test_numbers_that_are_none_and_unknown_methods_are_refused_at_once(wish, capsys):
    with pytest.raises(SystemExit):
        main(["cluster", "pics", *wish.split()])
    assert f"argument {wish.split()[0]}" in capsys.readouterr().err
