"""One clustering of a folder of pictures, arranged for people: clusters by size, copies together, a map."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.groups import assign_groups, distances_to
from clusterprobe.cluster.hierarchy import cut_tree, ward_tree
from clusterprobe.features.flat_map import flat_map
from clusterprobe.features.pca import ReducedRows
from clusterprobe.images.duplicates import duplicate_groups
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.images.thumbnails import fingerprints, read_thumbnails
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import Rows
from clusterprobe.store.tables import read_table

Int64 = npt.NDArray[np.int64]
Arrays = dict[str, npt.NDArray[Any]]

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("leaf", pa.int32()),
        ("cluster", pa.int32()),
        ("second", pa.int32()),
        ("distance", pa.float32()),
        ("confidence", pa.float32()),
        ("first", pa.int64()),
        ("copy", pa.bool_()),
        ("x", pa.float32()),
        ("y", pa.float32()),
    ]
)
"""A row for each picture. `leaf`: its cluster before any merging; `first`: the first picture of its group of
duplicates, itself if alone; `copy`: its file equals that of `first`; x, y: its place on the map, or null."""


@dataclass(frozen=True)
class Arrangement:
    """The table of the pictures, and what the model that travels holds of the clusters.

    `arrays`: merges [K - 1, 4] of the hierarchy, groups [K] of its leaves, and centres [K, D] or, of heads,
    outputs [K]: which of them each leaf is; with labels, names: one text for each group of leaves.
    """

    table: pa.Table
    arrays: Arrays


def arrange(cell: Mapping[str, Any], run: str) -> Arrangement:
    """Arrange the clusters of the candidate `run`; `cell` is what config.picture_cells spells out."""
    settings, manifest = cell["settings"], read_manifest(Path(cell["manifest"]))
    rows = open_rows([Path(shard) for shard in cell["shards"]], cell["normalise"])
    found = _of_head(cell, run, rows) if cell["heads"] else _of_centres(cell, run, rows)
    first = _first_copies(Path(cell["thumbnails"]), manifest, settings["near_duplicates"])
    leaf, assignment = _kept_together(found, first, rows)
    sha256 = np.array(manifest.sha256)
    x, y = _map(rows, settings["map_images"])
    columns = {
        "id": manifest.ids,
        "leaf": leaf,
        "cluster": assignment.cluster,
        "second": assignment.second,
        "distance": assignment.distance,
        "confidence": assignment.confidence,
        "first": first,
        "copy": (sha256 == sha256[first]) & (first != np.arange(len(first))),
        "x": pa.array(x, mask=np.isnan(x)),
        "y": pa.array(y, mask=np.isnan(y)),
    }
    k = int(found.arrays["groups"].max()) + 1
    named = cluster_names(manifest, assignment.cluster, k) if cell["labelled"] else []
    arrays = found.arrays | ({"names": np.array(named)} if any(named) else {})
    return Arrangement(pa.table(columns, schema=SCHEMA), arrays)


def cluster_names(manifest: Manifest, cluster: npt.NDArray[np.int32], k: int) -> list[str]:
    """Return for each of k clusters the label of most of its labelled pictures (over half), or no text."""
    names = []
    for number in range(k):
        labels = manifest.labels[(cluster == number) & (manifest.labels >= 0)]
        counts = np.bincount(labels) if len(labels) else np.zeros(1, dtype=np.int64)
        clear = 2 * counts.max() > len(labels) > 0
        names.append(manifest.classes[int(counts.argmax())] if clear else "")
    return names


def open_rows(shards: list[Path], normalise: bool) -> Rows:
    """Open the features [N, D] of a split, scaled to unit length if asked for."""
    rows = FeatureMatrix.open(shards)
    return ReducedRows(rows, None, None, False, True) if normalise else rows


@dataclass(frozen=True)
class _Found:
    """The leaf of each picture, its assignment to groups of leaves, and the arrays of the model."""

    leaf: npt.NDArray[np.int32]
    assignment: Assignment
    arrays: Arrays
    spherical: bool = False


def _of_centres(cell: Mapping[str, Any], run: str, rows: Rows) -> _Found:
    arrays = load_arrays(Path(cell["candidates"][run]["model"]))
    seed = int(arrays["seeds"][0])
    centres, spherical = arrays[f"centres/{seed}"], bool(arrays[f"spherical/{seed}"])
    leaves = np.arange(len(centres))
    sizes = np.bincount(
        assign_groups(rows, centres, leaves, spherical=spherical).cluster, minlength=len(centres)
    )
    order, merges, groups = _by_size(centres, sizes, cell["settings"]["merge_to"])
    centres = np.ascontiguousarray(centres[order])
    leaf = assign_groups(rows, centres, leaves, spherical=spherical).cluster
    assignment = assign_groups(rows, centres, groups, spherical=spherical)
    kept = {"centres": centres, "merges": merges, "groups": groups}
    return _Found(leaf, assignment, kept, spherical)


def _of_head(cell: Mapping[str, Any], run: str, rows: Rows) -> _Found:
    files = cell["candidates"][run]
    arrays, table = load_arrays(Path(files["model"])), read_table(Path(files["assignments"]))
    seed = int(arrays["seeds"][0])
    mask = pc.and_(pc.equal(table["seed"], seed), pc.equal(table["split"], cell["split"]))
    table = table.filter(pc.and_(mask, pc.equal(table["dataset"], cell["dataset"])))
    cluster, second = table["cluster"].to_numpy(), table["second"].to_numpy()
    k = int(arrays[f"clusters/{seed}"])
    sizes = np.bincount(cluster, minlength=k)
    order, merges, groups = _by_size(_means(rows, cluster, k), sizes, None)
    number = np.append(np.argsort(order), -1).astype(np.int32)  # -1: no second choice
    assignment = Assignment(
        number[cluster], number[second], table["distance"].to_numpy(), table["confidence"].to_numpy()
    )
    kept = {"outputs": order, "merges": merges, "groups": groups}
    return _Found(assignment.cluster, assignment, kept)


def _by_size(
    centres: npt.NDArray[np.floating], sizes: Int64, merge_to: int | None
) -> tuple[Int64, npt.NDArray[np.float64], Int64]:
    """Return an order of the leaves, and their hierarchy and groups in it: the largest group is group 0."""
    merges = ward_tree(centres, sizes)
    groups = cut_tree(merges, min(merge_to or len(centres), len(centres)))
    totals = np.bincount(groups, weights=sizes)
    order = np.lexsort((-sizes, groups, -totals[groups]))
    number = np.concatenate([np.argsort(order), np.arange(len(centres), 2 * len(centres))])
    merges[:, :2] = np.sort(number[merges[:, :2].astype(np.int64)], axis=1)
    return order, merges, cut_tree(merges, int(groups.max()) + 1)


def _means(rows: Rows, cluster: npt.NDArray[np.int32], k: int) -> npt.NDArray[np.float64]:
    """Return the mean [k, D] of the rows of each cluster; zero for an empty one."""
    sums = np.zeros((k, rows.shape[1]))
    for part in rows.parts():
        np.add.at(sums, cluster[part.where], part.read().astype(np.float64))
    means: npt.NDArray[np.float64] = sums / np.maximum(np.bincount(cluster, minlength=k), 1)[:, None]
    return means


def _first_copies(thumbnails: Path, manifest: Manifest, most_bits: int | None) -> Int64:
    gradients, colours = fingerprints(read_thumbnails(thumbnails))
    return duplicate_groups(manifest.sha256, gradients, colours, most_bits)


def _kept_together(found: _Found, first: Int64, rows: Rows) -> tuple[npt.NDArray[np.int32], Assignment]:
    """Return leaves and assignment with all pictures of a group of duplicates where its surest one is.

    A picture that would have been elsewhere has that as its second choice, and confidence 0.
    """
    leaf, before = found.leaf.copy(), found.assignment
    surest = np.lexsort((np.arange(len(first)), -before.confidence, first))
    leader = np.empty(len(first), dtype=np.int64)
    heads = surest[np.r_[True, np.diff(first[surest]) != 0]]
    leader[first[heads]] = heads
    leaf = leaf[leader[first]]
    cluster = found.arrays["groups"][leaf].astype(np.int32)
    moved = np.flatnonzero(cluster != before.cluster)
    second, distance, confidence = before.second.copy(), before.distance.copy(), before.confidence.copy()
    second[moved], confidence[moved] = before.cluster[moved], 0
    if len(moved) and "centres" in found.arrays:
        centres = found.arrays["centres"][leaf[moved]]
        distance[moved] = distances_to(rows.take(moved), centres, spherical=found.spherical)
    return leaf, Assignment(cluster, second, distance, confidence)


def _map(rows: Rows, most: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return x and y of every picture, NaN for those that are not among the sample on the map."""
    count = rows.shape[0]
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:most])
    places = np.full((count, 2), np.nan, dtype=np.float32)
    places[chosen] = flat_map(rows, chosen)
    return places[:, 0], places[:, 1]
