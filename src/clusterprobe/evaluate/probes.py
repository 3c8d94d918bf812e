"""One probe with labels: every seed, from features and manifests to rows of results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.imbalance import class_sizes
from clusterprobe.evaluate.knn import Int64, knn_scores, nearest_in_bank
from clusterprobe.evaluate.labelled import Subset, labelled_images
from clusterprobe.evaluate.linear_probe import Training, fit_linear_probe, grid, linear_scores
from clusterprobe.evaluate.multi_label_probe import fit_multi_label_probe, multi_label_scores
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import Rows

Row = dict[str, Any]

_NEIGHBOURS, _TEMPERATURE = 200, 0.1
_LEARNING_RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
_WEIGHT_DECAYS = (0.0, 1e-4, 1e-3, 1e-2)


def probe_cell(cell: Mapping[str, Any]) -> list[Row]:
    """Return the rows of one probe; `cell` is what config.probe_cells.probing_cell spells out.

    The bank of a kNN probe is the train split, or the share of it that keeps its labels, without the query
    itself; a linear probe chooses and learns on the same images, and is scored on one or several crops. What
    a linear probe chose is printed. Raises UserError when features and manifests are not of the same images.
    """
    train, scored = (read_manifest(Path(cell["labels"][name])) for name in ("train", "scored"))
    rows: list[Row] = []
    for member in cell["members"]:
        points, queries = _open(member["train"], train), _open(member["scored"], scored)
        for seed in member["seeds"]:
            kept = labelled_images(_strata(train), cell["fraction"], seed)
            if cell["method"] == "knn":
                is_train = cell["columns"]["split"] == "train"
                scores = _knn(cell["options"], points, train, queries, scored, kept, is_train)
            else:
                scores = _linear(cell, points, train, queries, scored, kept, seed)
            rows += _rows(cell, member, seed, scores, int((_strata(scored) >= 0).sum()))
    return rows


def _strata(manifest: Manifest) -> Int64:
    """Return the labels [N] by which images are drawn; where each shows several classes, all are alike."""
    return manifest.labels if manifest.shown is None else np.zeros(len(manifest), dtype=np.int64)


def _knn(
    options: Mapping[str, Any],
    points: Rows,
    train: Manifest,
    queries: Rows,
    scored: Manifest,
    kept: Int64,
    is_train: bool,
) -> dict[str, float]:
    own = None
    if is_train:
        own = np.full(len(train), -1, dtype=np.int64)
        own[kept] = np.arange(len(kept))
    found = nearest_in_bank(Subset(points, kept), queries, options.get("k", _NEIGHBOURS), own)
    temperature = options.get("temperature", _TEMPERATURE)
    sizes = class_sizes(train.labels, len(train.classes))
    return knn_scores(found, train.labels[kept], scored.labels, len(train.classes), temperature, sizes)


def _linear(
    cell: Mapping[str, Any],
    points: Rows,
    train: Manifest,
    queries: Rows,
    scored: Manifest,
    kept: Int64,
    seed: int,
) -> dict[str, float]:
    options, crops = cell["options"], cell["crops"]
    settings = grid(
        options.get("learning_rates", _LEARNING_RATES), options.get("weight_decays", _WEIGHT_DECAYS)
    )
    fields = ("epochs", "batch_size", "held_out")
    training = Training(**{name: options[name] for name in fields if name in options})
    bank = Subset(points, kept)
    if train.shown is not None:
        model, chosen = fit_multi_label_probe(bank, _shown(train)[kept], settings, training, seed)
    else:
        model, chosen = fit_linear_probe(
            bank, train.labels[kept], len(train.classes), settings, training, seed
        )
    print(f"{points.space}, seed {seed}, {len(kept)} labels: {chosen}")
    if crops > 1:  # they have a name of their own, but lie in the space of the images
        model = replace(model, space=queries.space)
    if train.shown is not None:
        return multi_label_scores(model, queries, _shown(scored), crops)
    sizes = class_sizes(train.labels, len(train.classes))
    return linear_scores(model, queries, scored.labels, sizes, crops)


def _shown(manifest: Manifest) -> Int64:
    if manifest.shown is None:
        raise UserError("one split shows several classes in each image and the other does not: index again")
    return manifest.shown.astype(np.int64)


def _rows(
    cell: Mapping[str, Any], member: Mapping[str, Any], seed: int, scores: Mapping[str, float], n: int
) -> Iterator[Row]:
    for metric, value in scores.items():
        yield (
            dict(cell["columns"])
            | dict(member["columns"])
            | {"seed": seed, "metric": metric, "value": value, "n": n}
        )


def _open(shards: list[str], manifest: Manifest) -> Rows:
    rows = FeatureMatrix.open([Path(shard) for shard in shards])
    if rows.content != manifest.content:
        raise UserError(f"{shards[0]} is of other images than its manifest lists: delete it and run again")
    return rows
