from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clusterprobe.evaluate.neighbour_examples import ANCHORS, NEAREST, neighbours_frame
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.arrays import save_arrays


def mined(folder: Path, count: int, labelled: bool) -> dict[str, Any]:
    """Grey pictures of two classes by turns, and as neighbours of each row the rows behind it."""
    for row in range(count):
        place = folder / "train" / (f"class {row % 2}" if labelled else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 7), row).save(place / f"{row:03}.png")
    definition = {"kind": "folder", "splits": {"train": str(folder / "train")}, "labelled": labelled}
    write_split(folder, index_dataset(definition, "greys"), "train")
    behind = (np.arange(count)[:, None] + np.arange(1, count)) % count
    save_arrays(folder / "neighbours.npz", {"neighbours": behind.astype(np.int32)})
    files = {"neighbours": "neighbours.npz", "manifest": "train.parquet", "location": "train.source.json"}
    return {"encoder": "Pixels", "dataset": "greys"} | {
        key: str(folder / name) for key, name in files.items()
    }


@pytest.mark.parametrize(("count", "anchors", "nearest"), [(40, ANCHORS, NEAREST), (4, 4, 3)])
def test_anchors_stand_apart_with_their_nearest(
    tmp_path: Path, count: int, anchors: int, nearest: int
) -> None:
    frame = neighbours_frame(mined(tmp_path, count, labelled=True))
    assert frame.groupby("anchor")["rank"].apply(list).tolist() == [list(range(nearest + 1))] * anchors
    assert frame["anchor"].iloc[0] == 0
    assert frame["anchor"].iloc[-1] == count - 1
    assert frame.attrs["title"] == "Pixels, greys/train"
    # rows are sorted by class, shades count by turns: the class is the parity of the shade
    shades = np.array([image[0, 0] for image in frame["image"]]).reshape(anchors, -1)
    same = shades % 2 == shades[:, :1] % 2
    assert (frame["true"].to_numpy().reshape(anchors, -1) == same).all()


def test_without_labels_nothing_is_true_or_false(tmp_path: Path) -> None:
    assert neighbours_frame(mined(tmp_path, 5, labelled=False))["true"].tolist() == [None] * 25
