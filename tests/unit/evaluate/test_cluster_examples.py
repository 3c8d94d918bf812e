"""Some clusters with images: which are chosen, and that nothing but the seed chooses within them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.cluster_examples import CLUSTERS, IMAGES, cluster_examples_frame
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.report.figures import draw_figure
from clusterprobe.runs.assignments import SplitAssignment, assignments_table
from clusterprobe.store.tables import write_table

SIZES = [IMAGES + 3, IMAGES, 2, IMAGES + 1]
"""Images of four clusters: of both classes by turns, of one class, too few, of one class but one image."""


def _run(folder: Path, labelled: bool = True, **changes: Any) -> dict[str, Any]:
    """Grey pictures whose shade is ten times their cluster, and the files that a figure reads."""
    clusters = np.repeat(np.arange(len(SIZES)), SIZES).astype(np.int32)
    order = np.random.default_rng(0).permutation(len(clusters))
    for number, cluster in enumerate(clusters[order].tolist()):
        label = number % 2 if cluster == 0 else int(cluster == 1)
        place = folder / "train" / (f"class {label}" if labelled else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.new("L", (9, 7), 10 * cluster).save(place / f"{number:03}.png")
    if labelled:
        Image.new("L", (9, 7), 30).save(folder / "train" / "class 1" / "extra.png")
    definition = {"kind": "folder", "splits": {"train": str(folder / "train")}, "labelled": labelled}
    write_split(folder, index_dataset(definition, "greys"), "train")
    manifest = read_manifest(folder / "train.parquet")
    shades = [np.asarray(Image.open(folder / "train" / name))[0, 0] for name in manifest.ids]
    found = (np.array(shades) // 10).astype(np.int32)
    ones = np.ones(len(found), dtype=np.float32)
    assignment = Assignment(found, found, ones, ones)
    part = SplitAssignment("greys", "train", folder / "train.parquet", None, 3, assignment)
    write_table(folder / "assignments.parquet", assignments_table([part]))
    files = {"train_manifest": "train.parquet", "train_location": "train.source.json"}
    files |= {"assignments": "assignments.parquet"}
    return {"encoder": "SeLa", "dataset": "greys", "seed": 3} | {
        key: str(folder / name) for key, name in files.items()
    }


def test_the_purest_clusters_that_fill_a_row_come_first(tmp_path: Path) -> None:
    frame = cluster_examples_frame(_run(tmp_path), "low-entropy")
    assert list(frame["cluster"].unique()) == [1, 3, 0], "two images are too few, however pure"
    entropies = frame.groupby("cluster", sort=False)["entropy"].first().tolist()
    share = 1 / (SIZES[3] + 1)
    mixed = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert entropies[:2] == pytest.approx([0, mixed])
    assert entropies[2] == pytest.approx(np.log(2), abs=0.1)
    assert (frame.groupby("cluster")["rank"].apply(list) == [list(range(IMAGES))] * 3).all()
    assert all(
        (image == 10 * cluster).all() for cluster, image in zip(frame["cluster"], frame["image"], strict=True)
    )
    assert frame.attrs["title"] == "SeLa, greys/train, seed 3, 3 of 4 clusters"


def test_clusters_at_random_are_those_of_the_seed_and_need_no_labels(tmp_path: Path) -> None:
    run = _run(tmp_path, labelled=False)
    frame = cluster_examples_frame(run, "random")
    assert list(frame["cluster"].unique()) == [0, 1, 2, 3]
    assert frame["entropy"].isna().all()
    assert frame.groupby("cluster").size().tolist() == [IMAGES, IMAGES, 2, IMAGES]
    again = cluster_examples_frame(run, "random")
    assert all(np.array_equal(*pair) for pair in zip(frame["image"], again["image"], strict=True))
    figure = draw_figure("sela-random", frame)
    assert sum(len(axes.images) for axes in figure.axes) == len(frame)
    with pytest.raises(UserError, match="take 'sela-random'"):
        cluster_examples_frame(run, "low-entropy")


def test_of_many_clusters_some_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clusterprobe.evaluate.cluster_examples.CLUSTERS", 2)
    run = _run(tmp_path)
    drawn = cluster_examples_frame(run, "random")["cluster"].unique()
    assert len(drawn) == 2 < CLUSTERS
    assert list(cluster_examples_frame(run, "low-entropy")["cluster"].unique()) == [1, 3]
