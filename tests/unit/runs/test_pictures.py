"""The clustering of a folder of pictures arranged for people: by size, merged, twins together, mapped."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.images.manifest import Manifest, write_manifest
from clusterprobe.images.thumbnails import SCHEMA as THUMBNAILS
from clusterprobe.runs.assignments import SplitAssignment, assignments_table
from clusterprobe.runs.picture_tables import (
    ASSIGNMENT_COLUMNS,
    assignment_rows,
    duplicate_rows,
    table_assignment,
    write_csv,
)
from clusterprobe.runs.pictures import Arrangement, arrange, cluster_names
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.features import write_shard
from clusterprobe.store.tables import write_table

CENTRES = np.array([[0, 0], [8, 0], [0, 1.5], [8, 8]], dtype=np.float32)
SIZES = (3, 9, 5, 4)


def prepare(folder: Path, twins: dict[int, int] | None = None, **settings: Any) -> dict[str, Any]:
    """Write all that `arrange` reads: pictures about four centres, some of which look the same as others."""
    generator = np.random.default_rng(0)
    leaf = np.repeat(np.arange(4), SIZES)
    points = CENTRES[leaf] + generator.normal(0, 0.2, (len(leaf), 2))
    ids = tuple(f"{row:02d}.png" for row in range(len(leaf)))
    hashes = tuple(f"{row:064x}" for row in range(len(leaf)))
    manifest = Manifest(ids, ids, np.full(len(ids), -1), (), hashes)
    write_manifest(folder / "manifest.parquet", manifest)
    write_shard(
        folder / "00000.npy", points, space="s", content=manifest.content, first_row=0, total_rows=len(ids)
    )
    prints = np.arange(len(ids))
    for one, other in (twins or {}).items():
        prints[one] = other
    blank = {"width": 1, "height": 1, "jpeg": b""}
    rows = [
        {
            "sha256": name,
            "gradients": int(key) * 0x0111_0111_0111_0111,
            "colours": bytes([9 * key]) * 192,
            **blank,
        }
        for name, key in zip(hashes, prints, strict=True)
    ]
    write_table(folder / "thumbnails.parquet", pa.Table.from_pylist(rows, schema=THUMBNAILS))
    seed = {"seeds": np.array([0]), "encoder_seeds": np.array([-1])}
    model = {"centres/0": CENTRES, "spherical/0": np.asarray(False), "clusters/0": np.asarray(4)}
    save_arrays(folder / "model.npz", seed | model)
    assigned = Assignment(
        leaf.astype(np.int32),
        ((leaf + 1) % 4).astype(np.int32),
        np.linspace(0.1, 0.4, len(leaf)).astype(np.float32),
        np.linspace(0.9, 0.6, len(leaf)).astype(np.float32),
        np.tile(np.arange(4, dtype=np.int32), (len(leaf), 1)),
    )
    parts = [SplitAssignment("p", "train", folder / "manifest.parquet", None, 0, assigned)]
    write_table(folder / "assignments.parquet", assignments_table(parts))
    defaults = {"merge_to": None, "near_duplicates": 3, "map_images": 15}
    return {
        "dataset": "p",
        "split": "train",
        "labelled": False,
        "manifest": str(folder / "manifest.parquet"),
        "thumbnails": str(folder / "thumbnails.parquet"),
        "shards": [str(folder / "00000.npy")],
        "normalise": False,
        "heads": False,
        "candidates": {
            "run": {"model": str(folder / "model.npz"), "assignments": str(folder / "assignments.parquet")}
        },
        "settings": defaults | settings,
    }


def column(arranged: Arrangement, name: str) -> np.ndarray:
    return arranged.table[name].to_numpy()


def test_the_largest_cluster_is_the_first(tmp_path):
    arranged = arrange(prepare(tmp_path), "run")
    assert column(arranged, "cluster").tolist() == np.repeat([3, 0, 1, 2], SIZES).tolist()
    np.testing.assert_array_equal(arranged.arrays["centres"], CENTRES[[1, 2, 3, 0]])
    assert arranged.arrays["groups"].tolist() == [0, 1, 2, 3]
    assert set(arranged.arrays["merges"][0, :2]) == {1, 3}, "the two that are near each other"


def test_clusters_that_are_near_are_merged_and_numbered_by_their_joint_size(tmp_path):
    arranged = arrange(prepare(tmp_path, merge_to=3), "run")
    assert column(arranged, "cluster").tolist() == np.repeat([1, 0, 1, 2], SIZES).tolist()
    assert arranged.arrays["groups"].tolist() == [0, 1, 1, 2]
    assert (column(arranged, "second") != column(arranged, "cluster")).all()
    assert column(arranged, "confidence")[:3].min() > 0.5, "the second choice is another group"


def test_near_duplicates_are_together_where_the_surest_of_them_is(tmp_path):
    plain = arrange(prepare(tmp_path / "a"), "run")
    arranged = arrange(prepare(tmp_path / "b", {0: 5}), "run")
    assert column(arranged, "first")[[0, 5]].tolist() == [0, 0]
    surest = [0, 5][int(np.argmax(column(plain, "confidence")[[0, 5]]))]
    moved = 5 - surest
    assert column(arranged, "cluster")[moved] == column(plain, "cluster")[surest]
    assert column(arranged, "second")[moved] == column(plain, "cluster")[moved]
    assert column(arranged, "confidence")[moved] == 0
    assert column(arranged, "distance")[moved] > 5
    others = np.delete(np.arange(sum(SIZES)), moved)
    for name in ("cluster", "distance", "confidence", "second"):
        np.testing.assert_array_equal(column(arranged, name)[others], column(plain, name)[others])
    rows = list(duplicate_rows(arranged.table))
    assert [row[:3] for row in rows] == [[0, "00.png", "first"], [0, "05.png", "near"]]


def test_clusters_of_a_head_are_numbered_by_size_too(tmp_path):
    arranged = arrange(prepare(tmp_path) | {"heads": True}, "run")
    assert column(arranged, "cluster").tolist() == np.repeat([3, 0, 1, 2], SIZES).tolist()
    assert column(arranged, "second").tolist() == np.repeat([0, 1, 2, 3], SIZES).tolist()
    assert arranged.arrays["outputs"].tolist() == [1, 2, 3, 0]
    assert "centres" not in arranged.arrays


def test_a_sample_is_on_the_map(tmp_path):
    arranged = arrange(prepare(tmp_path), "run")
    assert arranged.table["x"].null_count == arranged.table["y"].null_count == sum(SIZES) - 15


def test_tables_hold_any_name(tmp_path):
    table = arrange(prepare(tmp_path), "run").table
    names = ['a, "b".png', "two\nlines.png", "\r.png", "plain.png"]
    assignment = table_assignment(table.slice(0, 4))
    write_csv(
        tmp_path / "t.csv", (*ASSIGNMENT_COLUMNS, "name"), assignment_rows(names, assignment, ["x"] * 4)
    )
    with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["path"] for row in rows] == names
    assert [int(row["second_choice"]) for row in rows] == assignment.second.tolist()
    assert [float(row["confidence"]) for row in rows] == pytest.approx(
        assignment.confidence.tolist(), abs=1e-4
    )
    assert {row["name"] for row in rows} == {"x"}


def test_a_few_labels_name_the_clusters(tmp_path):
    ids = tuple(str(number) for number in range(8))
    labels = np.array([0, 0, 1, -1, 1, 0, -1, -1])
    manifest = Manifest(ids, ids, labels, ("cat", "dog"), ids)
    cluster = np.array([0, 0, 0, 0, 1, 1, 2, 3], dtype=np.int32)
    assert cluster_names(manifest, cluster, 5) == ["cat", "", "", "", ""]


@pytest.mark.parametrize("labelled", [False, True])
def test_sub_folders_name_clusters_only_where_they_are_labels(tmp_path, labelled):
    cell = prepare(tmp_path) | {"labelled": labelled}
    ids = tuple(f"{row:02d}.png" for row in range(sum(SIZES)))
    labels = np.repeat(np.arange(4), SIZES)
    manifest = Manifest(
        ids, ids, labels, ("a", "b", "c", "d"), tuple(f"{row:064x}" for row in range(len(ids)))
    )
    write_manifest(tmp_path / "manifest.parquet", manifest)
    arrays = arrange(cell, "run").arrays
    assert ("names" in arrays) == labelled
    assert not labelled or arrays["names"].tolist() == ["b", "c", "d", "a"]
