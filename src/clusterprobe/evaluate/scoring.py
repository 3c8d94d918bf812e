"""The label-free criteria of one run: every seed, from features and assignments to rows of results.

No manifest is read here: the files that this room opens for criteria hold no labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.evaluate.criteria import (
    Found,
    Int64,
    Sample,
    draw_sample,
    generalisation,
    inertia_gap,
    principal,
    sampled,
    silhouette,
    stability,
    view_agreement,
)
from clusterprobe.features.pca import Pca, ReducedRows, load_pca
from clusterprobe.runs.assignments import SeedClusters, read_assignments
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import Float32, Rows

Row = dict[str, Any]

_SAMPLE_SEED = 0  # the same images for every run of a data set: what differs is what is compared


def score_cell(cell: Mapping[str, Any], model: Path, assignments: Path) -> list[Row]:
    """Return the rows of the criteria of one run; `cell` is what config.probe_cells.scoring_cell spells out.

    Raises UserError when features and assignments are of different numbers of images.
    """
    arrays = load_arrays(model)
    where = (cell["columns"]["dataset"], cell["columns"]["split"])
    blocks = {
        block.seed: block for block in read_assignments(assignments) if (block.dataset, block.split) == where
    }
    agreement = _stability(cell, arrays, list(blocks.values()))
    rows: list[Row] = []
    for member in cell["members"]:
        for seed in member["seeds"]:
            scores = _member_criteria(cell, member, blocks[seed], int(arrays[f"clusters/{seed}"]))
            scores |= {"stability": agreement[seed]} if seed in agreement else {}
            rows += _rows(cell, member["columns"], arrays, blocks[seed], scores)
    return rows


def _stability(
    cell: Mapping[str, Any], arrays: Mapping[str, Any], blocks: list[SeedClusters]
) -> dict[int, float]:
    """Return the agreement of each seed with the others, where it is asked for and there are others."""
    if "stability" not in cell["names"]:
        return {}
    k = max(int(arrays[f"clusters/{block.seed}"]) for block in blocks)
    agreement = stability([Found(block.cluster.astype(np.int64)) for block in blocks], k)
    return dict(zip((block.seed for block in blocks), agreement, strict=False))


def _member_criteria(
    cell: Mapping[str, Any], member: Mapping[str, Any], block: SeedClusters, k: int
) -> dict[str, float]:
    """Return the criteria of one seed that look at features."""
    settings, names = cell["settings"], cell["names"]
    chosen = sampled(len(block.cluster), settings["images"], _SAMPLE_SEED)
    basis = load_pca(Path(member["basis"])) if member["basis"] else None
    scores: dict[str, float] = {}
    if {"inertia_gap", "silhouette", "generalisation"} & set(names):
        rows = _reduced(FeatureMatrix.open([Path(shard) for shard in member["shards"]]), cell, basis)
        sample = draw_sample(rows, block, k, chosen)
        if "inertia_gap" in names:
            scores["inertia_gap"] = inertia_gap(sample, settings["references"], block.seed)
        if "silhouette" in names:
            axes = principal(sample.points, settings["dims"])
            scores["silhouette"] = silhouette(Sample(axes, sample.clusters, k))
        if "generalisation" in names:
            scores["generalisation"] = generalisation(sample, settings["folds"], block.seed)
    if "view_agreement" in names and k <= len(chosen):
        scores |= view_agreement(*_views(cell, member, chosen, basis), k, block.seed)
    return scores


def _views(
    cell: Mapping[str, Any], member: Mapping[str, Any], chosen: Int64, basis: Pca | None
) -> tuple[Float32, Float32]:
    """Return the features of the two views of the images `chosen`: rows 2 i and 2 i + 1 of their shards."""
    rows = FeatureMatrix.open([Path(shard) for shard in member["views"]])
    # views have a name of their own, but lie in the space of the images: one encoder, one output
    views = _reduced(rows, cell, None if basis is None else replace(basis, space=rows.space))
    return views.take(2 * chosen), views.take(2 * chosen + 1)


def _reduced(rows: Rows, cell: Mapping[str, Any], basis: Pca | None) -> Rows:
    """Return rows in the space that was clustered; a head reads the features as they are."""
    reducer = cell["reducer"]
    if reducer is None:
        return rows
    normalise = reducer["normalise"] or cell["spherical"]
    if basis is None and not normalise:
        return rows
    return ReducedRows(rows, basis, reducer["dims"], reducer["whiten"], normalise)


def _rows(
    cell: Mapping[str, Any],
    columns: Mapping[str, Any],
    arrays: Mapping[str, Any],
    block: SeedClusters,
    scores: Mapping[str, float],
) -> Iterator[Row]:
    fitted: dict[str, Any] = {
        name: arrays.get(f"{name}/{block.seed}") for name in ("clusters", "dims", "head")
    }
    sample = min(cell["settings"]["images"], len(block.ids))
    for metric, value in scores.items():
        yield (
            dict(cell["columns"])
            | dict(columns)
            | {
                "dims": int(fitted["dims"]) if cell["columns"]["reducer"] == "pca" else None,
                "head": None if fitted["head"] is None else int(fitted["head"]),
                "k": int(fitted["clusters"]),
                "seed": block.seed,
                "metric": metric,
                "value": value,
                "n": len(block.ids) if metric == "stability" else sample,
            }
        )
