"""All metrics of one run: every seed, every split, transfer sets included, as rows of results."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.evaluate.metrics import contingency, top_accuracy
from clusterprobe.evaluate.published_scores import (
    acc_val_with_empty_columns,
    double_counted_recall,
    scrambled_labels,
)
from clusterprobe.evaluate.several_labels import evaluate_several_labels
from clusterprobe.evaluate.shared_classes import recall_by_share
from clusterprobe.evaluate.transfer import evaluate_transfer
from clusterprobe.images.counterparts import class_indices
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.runs.assignments import SeedClusters, read_assignments
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json

Row = dict[str, Any]


@dataclass(frozen=True)
class _Labels:
    """Who the images of one split are and what they show; `counterparts` of its classes, if it has some."""

    manifest: Manifest
    classes: tuple[str, ...]
    counterparts: Mapping[str, str]


def evaluate_run(cell: Mapping[str, Any], model: Path, assignments: Path) -> list[Row]:
    """Return the rows of one run; `cell` is what config.cells.evaluation_cell spells out.

    Splits of the fitted data set get the clustering metrics, the map from clusters to classes fitted on
    the train labels of the same seed; transfer sets get the transfer metrics through their label map.
    Raises UserError when assignments and manifests do not belong together.
    """
    deviations = cell.get("deviations", ())
    labels = {(part["dataset"], part["split"]): _read_labels(part, deviations) for part in cell["manifests"]}
    arrays = load_arrays(model)
    fitted_on = cell["columns"]["fit_dataset"]
    rows: list[Row] = []
    trained: dict[int, SeedClusters] = {}
    blocks = list(read_assignments(assignments))
    for block in blocks:
        _check(block, labels[block.dataset, block.split].manifest, assignments)
        if (block.dataset, block.split) == (fitted_on, "train"):
            trained[block.seed] = block
    for block in blocks:
        train = trained[block.seed]
        fitted: dict[str, Any] = {
            name: arrays.get(f"{name}/{block.seed}") for name in ("clusters", "dims", "head", "inertia")
        }
        metrics = _metrics(train, block, labels, int(fitted["clusters"]), cell["label_maps"], deviations)
        if block is train and fitted["inertia"] is not None:
            metrics["inertia"] = float(fitted["inertia"])
        rows += _rows(cell, block, fitted, metrics)
    return rows


def _metrics(
    train: SeedClusters,
    block: SeedClusters,
    labels: Mapping[tuple[str, str], _Labels],
    k: int,
    label_maps: Mapping[str, str],
    deviations: Collection[str],
) -> dict[str, float]:
    source, target = labels[train.dataset, train.split], labels[block.dataset, block.split]
    clusters = train.cluster, source.manifest.labels, block.cluster
    if block.dataset == train.dataset:
        classes = max(len(source.classes), 1)
        scores = evaluate_assignments(*clusters, target.manifest.labels, k, classes, one_split=block is train)
        if target.counterparts and "acc" in scores:
            shared = set(target.counterparts.values())
            recall = double_counted_recall if "double-counting" in deviations else recall_by_share
            scores |= recall(*clusters, target.manifest.labels, k, target.classes, shared)
        if block.top is not None and "acc" in scores:
            counts = contingency(train.cluster, source.manifest.labels, k, classes)
            scores["top5"] = top_accuracy(
                block.top, target.manifest.labels, hungarian_then_greedy_map(counts)
            )
        return scores
    label_map = np.zeros(0, dtype=np.int64)
    if source.classes and target.classes:
        name = label_maps[block.dataset]
        label_map = class_indices(name, source.classes, target.classes, target.counterparts)
        if target.manifest.several:
            return evaluate_several_labels(*clusters, target.manifest.several, k, label_map)
    scores = evaluate_transfer(*clusters, target.manifest.labels, k, label_map)
    if "empty-columns" in deviations and "acc_val" in scores:
        scores["acc_val"] = acc_val_with_empty_columns(
            block.cluster, target.manifest.labels, k, label_map, len(target.classes)
        )
    return scores


def _rows(
    cell: Mapping[str, Any], block: SeedClusters, fitted: Mapping[str, Any], metrics: Mapping[str, float]
) -> Iterator[Row]:
    encoder = next(columns for columns in cell["encoders"] if columns["encoder_seed"] == block.encoder_seed)
    for metric, value in metrics.items():
        yield (
            dict(cell["columns"])
            | encoder
            | {
                "dataset": block.dataset,
                "split": block.split,
                "dims": int(fitted["dims"]) if cell["columns"]["reducer"] == "pca" else None,
                "head": None if fitted["head"] is None else int(fitted["head"]),
                "k": int(fitted["clusters"]),
                "seed": block.seed,
                "metric": metric,
                "value": float(value),
                "n": len(block.ids),
            }
        )


def _read_labels(part: Mapping[str, Any], deviations: Collection[str]) -> _Labels:
    facts = read_json(Path(part["facts"]))
    classes = tuple(facts["classes"] or ())
    manifest = read_manifest(Path(part["manifest"]))
    if not part.get("labelled", True):  # sub-folders may have made classes
        manifest = replace(manifest, labels=np.full(len(manifest), -1), fine=(), several=())
    if "scrambled-labels" in deviations:
        manifest = replace(manifest, labels=scrambled_labels(manifest.labels, classes))
    return _Labels(manifest, classes, facts.get("counterparts", {}))


def _check(block: SeedClusters, manifest: Manifest, path: Path) -> None:
    if block.ids != manifest.ids:
        raise UserError(
            f"{path} assigns other images than the manifest of {block.dataset}/{block.split} lists: "
            "delete it and run again"
        )


def neighbour_rows(
    columns: Mapping[str, Any],
    purity: Mapping[int, float],
    labels: np.ndarray[Any, Any],
    recall: float | None = None,
) -> list[Row]:
    """Return one row for the purity at each number of neighbours, and one for the recall if it is known."""
    n = int((labels >= 0).sum())
    found = [] if recall is None else [("neighbour_recall", recall, len(labels))]
    found += [(f"neighbour_purity@{k}", value, n) for k, value in sorted(purity.items())]
    return [dict(columns) | {"metric": metric, "value": value, "n": count} for metric, value, count in found]
