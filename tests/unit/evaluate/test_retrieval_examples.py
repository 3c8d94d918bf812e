from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clusterprobe.evaluate.retrieval_examples import NEAREST, QUERIES, retrieval_frame
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.store.features import write_shard


def _cell(folder: Path, split: str, labelled: bool = True) -> dict[str, Any]:
    """Grey pictures of two classes in two splits, and random features of two encoders."""
    splits = {"train": 20, "test": 9}
    for name, count in splits.items():
        for row in range(count):
            place = folder / name / (f"class {row % 2}" if labelled else "")
            place.mkdir(parents=True, exist_ok=True)
            Image.new("L", (9, 7), row + 100 * (name == "test")).save(place / f"{row:03}.png")
    roots = {name: str(folder / name) for name in splits}
    definition = {"kind": "folder", "splits": roots, "labelled": labelled}
    indexed, contents = index_dataset(definition, "greys"), {}
    for name in splits:
        write_split(folder, indexed, name)
        contents[name] = read_manifest(folder / f"{name}.parquet").content
    generator = np.random.default_rng(0)
    encoders = []
    for encoder in ("NPID", "NPID + CLD"):
        shards = {}
        for name, count in splits.items():
            shards[name] = folder / encoder / name / "00000-of-00001.npy"
            points = generator.normal(size=(count, 3))
            write_shard(
                shards[name], points, space=encoder, content=contents[name], first_row=0, total_rows=count
            )
        encoders.append({"encoder": encoder, "queries": [str(shards[split])], "bank": [str(shards["train"])]})
    files = {
        "manifest": f"{split}.parquet",
        "location": f"{split}.source.json",
        "train_manifest": "train.parquet",
        "train_location": "train.source.json",
    }
    places = {key: str(folder / name) for key, name in files.items()}
    return {"dataset": "greys", "split": split, "encoders": encoders} | places


def _shades(folder: Path, split: str) -> np.ndarray:
    names = read_manifest(folder / f"{split}.parquet").locations
    return np.array([np.asarray(Image.open(folder / split / name))[0, 0] for name in names])


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_nearest_train_images_of_the_same_anchors_by_each_encoder(tmp_path: Path, split: str) -> None:
    cell = _cell(tmp_path, split)
    frame = retrieval_frame(cell)
    queries, bank = _shades(tmp_path, split), _shades(tmp_path, "train")
    assert frame.attrs["title"].startswith(f"greys: {split}")
    for entry in cell["encoders"]:
        own = frame[frame["encoder"] == entry["encoder"]]
        assert own["anchor"].nunique() == QUERIES
        asked, among = np.load(entry["queries"][0]).astype(float), np.load(entry["bank"][0]).astype(float)
        for anchor, part in own.groupby("anchor"):
            cosines = among @ asked[anchor] / np.linalg.norm(among, axis=1)
            order = [row for row in np.argsort(-cosines) if split == "test" or row != anchor][:NEAREST]
            shown = [int(image[0, 0]) for image in part.sort_values("rank")["image"]]
            assert shown == [queries[anchor], *bank[order]]
            same = [bool(shade % 2 == queries[anchor] % 2) for shade in bank[order]]
            assert part.sort_values("rank")["true"].tolist() == [None, *same]


def test_without_labels_nothing_is_true_or_false(tmp_path: Path) -> None:
    assert set(retrieval_frame(_cell(tmp_path, "test", labelled=False))["true"]) == {None}


def test_many_encoders_get_fewer_anchors(tmp_path: Path) -> None:
    cell = _cell(tmp_path, "test")
    many = [cell["encoders"][0] | {"encoder": str(number)} for number in range(8)]
    assert retrieval_frame(cell | {"encoders": many})["anchor"].nunique() == 3
