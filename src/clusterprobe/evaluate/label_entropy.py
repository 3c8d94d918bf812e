"""Classes within clusters, and how labels that a training found agree with the classes over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.frames import seed_clusters
from clusterprobe.evaluate.metrics import contingency, entropy, nmi
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.arrays import load_arrays

Int64 = npt.NDArray[np.int64]

CLASSES, BEFORE = "classes", "labels before"
"""What labels are compared with: the classes, and what the relabelling before gave."""


def label_entropies(counts: Int64) -> npt.NDArray[np.float64]:
    """Return the entropy of the classes within each cluster that has images, in nats; counts int64 [K, C].

    SeLa, arXiv 1911.05371, appendix A.2: 0 for a cluster of one class, log C for one of all classes alike.
    """
    return np.array([entropy(row) for row in counts if row.any()])


def entropies_frame(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns encoder, encoder_seed, seed, entropy: one row per cluster and seed, on the train split.

    A run says `encoder` (readable), `assignments` and `train_manifest` (paths) and `dataset`.
    """
    rows = []
    for run in runs:
        manifest = read_manifest(Path(run["train_manifest"]))
        for block in seed_clusters(Path(run["assignments"]), run["dataset"], "train"):
            k = int(block.cluster.max()) + 1
            counts = contingency(block.cluster, manifest.labels, k, len(manifest.classes))
            names = {"encoder": run["encoder"], "encoder_seed": block.encoder_seed, "seed": block.seed}
            rows += [names | {"entropy": value} for value in label_entropies(counts)]
    return pd.DataFrame(rows, columns=["encoder", "encoder_seed", "seed", "entropy"])


def agreement_frame(trainings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns encoder, encoder_seed, relabelling (from 1), against, value: NMI of the labels that a
    training found with the classes, and with the labels before.

    A training says `encoder` (readable), `encoder_seed`, `found` (its found.npz) and `manifest` of its train
    split. Raises UserError when they are not of the same images, or it kept no labels.
    """
    rows = []
    for training in trainings:
        manifest, found = read_manifest(Path(training["manifest"])), load_arrays(Path(training["found"]))
        if "history" not in found:
            raise UserError(f"{training['found']} holds no labels over time: the objective keeps none")
        if str(found["content"]) != manifest.content:
            raise UserError(f"{training['found']} is of other images than its manifest: delete it")
        labels = manifest.labels[found["tracked"]]
        names = {"encoder": training["encoder"], "encoder_seed": training["encoder_seed"]}
        for number, against, value in _agreements(found["history"], labels, len(manifest.classes)):
            rows.append(names | {"relabelling": number, "against": against, "value": value})
    return pd.DataFrame(rows, columns=["encoder", "encoder_seed", "relabelling", "against", "value"])


def _agreements(history: npt.NDArray[np.int32], labels: Int64, classes: int) -> list[tuple[int, str, float]]:
    """Return (number, against, NMI) of the relabellings int32 [M, n]; one that was left out is -1."""
    rows, before = [], None
    k = int(history.max()) + 1
    for number, found in enumerate(history, start=1):
        if found[0] < 0:
            continue
        if (labels >= 0).any():
            rows.append((number, CLASSES, nmi(contingency(found, labels, k, classes))))
        if before is not None:
            rows.append((number, BEFORE, nmi(contingency(found, before.astype(np.int64), k, k))))
        before = found
    return rows
