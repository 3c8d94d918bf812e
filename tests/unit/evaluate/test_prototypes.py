"""Prototypes belong to their cluster: against loops over the images, and from files on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.encoders.canonical import HeadRecord, save_encoder, untrained_encoder
from clusterprobe.encoders.heads import build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.evaluate import prototypes
from clusterprobe.evaluate.prototypes import (
    Extraction,
    central_member,
    confident_members,
    nearest_members,
    prototypes_frame,
)
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.runs.assignments import SplitAssignment, assignments_table
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.tables import write_table

VALUES = st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.1, 0.25, 0.5, 0.75])), max_size=25)


@given(rows=VALUES)
def test_prototypes_of_centres_are_the_nearest_members(rows: Sequence[tuple[int, float]]) -> None:
    clusters = np.array([cluster for cluster, _ in rows], dtype=np.int32)
    distances = np.array([distance for _, distance in rows], dtype=np.float32)
    found = nearest_members(clusters, distances, 5)
    for cluster in range(5):
        members = [index for index, (own, _) in enumerate(rows) if own == cluster]
        expected = min(members, key=lambda index: (distances[index], index)) if members else -1
        assert found[cluster] == expected


@given(rows=VALUES, most=st.integers(1, 4))
def test_confident_members_are_members_and_never_more(rows: Sequence[tuple[int, float]], most: int) -> None:
    clusters = np.array([cluster for cluster, _ in rows], dtype=np.int32)
    confidences = np.array([confidence for _, confidence in rows], dtype=np.float32)
    found = confident_members(clusters, confidences, 5, most)
    for cluster in range(5):
        members = [index for index, (own, _) in enumerate(rows) if own == cluster]
        ranked = sorted(members, key=lambda index: (-confidences[index], index))
        assert found[cluster].tolist() == ranked[:most]


def test_the_central_member_is_the_one_nearest_to_the_mean() -> None:
    features = np.array([[0, 0], [4, 0], [2.5, 0.5], [2, 4]], dtype=np.float32)
    assert central_member(np.array([7, 9, 11, 13]), features) == 11
    assert central_member(np.array([5]), features[:1]) == 5
    assert central_member(np.empty(0, dtype=np.int64), features[:0]) == -1


SHADES = {"train": [10, 200, 20, 210, 30, 220], "test": [0, 90, 100, 130, 250, 251]}
CLUSTERS = {"train": [0, 1, 0, 1, 0, 1], "test": [0, 0, 0, 0, 1, 1]}


def _place(folder: Path, k: int, is_head: bool) -> dict[str, Any]:
    """Grey pictures, assignments of seed 4 to clusters 0 and 1 of k, and what the figure is told of them."""
    for split, shades in SHADES.items():
        for number, shade in enumerate(shades):
            path = folder / "images" / split / ("dark" if shade < 128 else "bright") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (12, 10), shade).save(path)
    splits = {split: str(folder / "images" / split) for split in SHADES}
    indexed = index_dataset({"kind": "folder", "splits": splits}, "greys")
    parts = []
    for split in SHADES:
        write_split(folder, indexed, split)
        ids = read_manifest(folder / f"{split}.parquet").ids
        order = [int(Path(name).stem) for name in ids]
        clusters = np.array(CLUSTERS[split], dtype=np.int32)[order]
        scores = np.array([0.9, 0.8, 0.9, 0.9, 0.6, 0.5], dtype=np.float32)[order]
        top = np.stack([clusters, 1 - clusters], axis=1) if is_head else None
        for seed in (2, 4):
            assignment = Assignment(clusters, clusters, scores if seed == 4 else 1 - scores, scores, top)
            parts.append(SplitAssignment("greys", split, folder / f"{split}.parquet", seed, seed, assignment))
    write_table(folder / "assignments.parquet", assignments_table(parts))
    save_arrays(folder / "model.npz", {"clusters/2": np.asarray(k), "clusters/4": np.asarray(k)})
    preprocessing = Preprocessing.from_dict(
        {"size": 8, "resize": 8, "channels": 1, "mean": [0.0], "std": [1.0]}
    )
    encoder = untrained_encoder("pixels", {"size": 8, "channels": 1}, 0, preprocessing)
    head = build_head("linear", {"dimensions": k}, 64)
    record = replace(encoder.record, heads={"0": HeadRecord("linear", {"dimensions": k})})
    save_encoder(folder / "network", replace(encoder, record=record, heads={"0": head}))
    return {
        "encoder": "Pixels",
        "dataset": "greys",
        "split": "test",
        "assignments": str(folder / "assignments.parquet"),
        "model": str(folder / "model.npz"),
        "train_manifest": str(folder / "train.parquet"),
        "manifest": str(folder / "test.parquet"),
        "location": str(folder / "test.source.json"),
        "facts": str(folder / "train.json"),
        "seed": 4,
        "network": str(folder / "network") if is_head else None,
    }


def shades(frame: Any) -> list[int | None]:
    return [None if image is None else int(image[0, 0]) for image in frame["image"]]


@pytest.mark.parametrize(
    ("is_head", "expected"),
    [(False, [90, 251, None]), (True, [90, 250, None])],  # mean of the dark ones is 80
)
def test_pictures_of_the_chosen_seed_with_the_names_of_classes(
    tmp_path: Path, is_head: bool, expected: list[int | None]
) -> None:
    frame = prototypes_frame(_place(tmp_path, 3, is_head), Extraction(device="cpu"))
    assert frame["cluster"].tolist() == [0, 1, 2]
    assert shades(frame) == expected
    assert frame["image"][0].shape == (10, 12)
    assert frame["name"].tolist()[:2] == ["dark", "bright"]
    assert frame.attrs["title"] == "Pixels, greys/test, seed 4"


def test_of_many_clusters_the_largest_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prototypes, "SHOWN", 1)
    frame = prototypes_frame(_place(tmp_path, 3, is_head=True), Extraction(device="cpu"))
    assert frame["cluster"].tolist() == [0]
    assert frame.attrs["title"].endswith(", the 1 largest of 3 clusters")


def test_large_pictures_become_small_and_missing_labels_give_no_names(tmp_path: Path) -> None:
    run = _place(tmp_path, 2, is_head=False)
    for path in (tmp_path / "images").rglob("*.png"):
        with Image.open(path) as image:
            image.resize((400, 300)).convert("RGB").save(path)
    flat = {split: str(tmp_path / "images" / split) for split in SHADES}
    indexed = index_dataset({"kind": "folder", "splits": flat, "labelled": False}, "greys")
    for split in SHADES:
        unlabelled = replace(indexed.manifests[split], labels=np.full(6, -1), classes=())
        write_split(tmp_path, replace(indexed, manifests={split: unlabelled}), split)
    frame = prototypes_frame(run, Extraction(device="cpu"))
    assert "name" not in frame
    assert frame["image"][0].shape == (72, 96, 3)
