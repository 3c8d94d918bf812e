"""Assignments as the frames and arrays that figures and galleries are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.cluster.matching import hungarian_then_greedy_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import confusion, top_confusions
from clusterprobe.evaluate.metrics import contingency
from clusterprobe.images.manifest import read_manifest
from clusterprobe.runs.assignments import SeedClusters, read_assignments
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json


def seed_clusters(assignments: Path, dataset: str, split: str) -> list[SeedClusters]:
    """Return the clusters of one split, one entry per seed; raises UserError when there are none."""
    found = [
        block for block in read_assignments(assignments) if (block.dataset, block.split) == (dataset, split)
    ]
    if not found:
        raise UserError(f"{assignments} assigns no images of {dataset}/{split}: delete it and run again")
    return found


def sizes_frame(runs: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns encoder, encoder_seed, seed, cluster, k: one row per image and seed of each run.

    k counts the clusters of the model, empty ones too. A run says `encoder` (readable), `assignments` and
    `model` (paths), `dataset` and `split`.
    """
    parts = []
    for run in runs:
        model = load_arrays(Path(run["model"]))
        parts += [
            pd.DataFrame(
                {
                    "encoder": run["encoder"],
                    "encoder_seed": block.encoder_seed,
                    "seed": block.seed,
                    "cluster": block.cluster,
                    "k": int(model[f"clusters/{block.seed}"]),
                }
            )
            for block in seed_clusters(Path(run["assignments"]), run["dataset"], run["split"])
        ]
    return pd.concat(parts, ignore_index=True)


def confusion_frame(run: Mapping[str, Any]) -> pd.DataFrame:
    """Return class x class counts [C, C], truth in rows, summed over the seeds of a run.

    The map from clusters to classes is fitted on the train labels of each seed. `run` says `assignments`,
    `dataset`, `split`, and for train and evaluated split the `manifest`; `facts` names the classes, and
    `superclasses`, if it is there, what they belong to: it goes to `attrs` of the frame.
    """
    path = Path(run["assignments"])
    train_labels = read_manifest(Path(run["train_manifest"])).labels
    labels = read_manifest(Path(run["manifest"])).labels
    classes = [str(name) for name in read_json(Path(run["facts"]))["classes"]]
    trained = {block.seed: block for block in seed_clusters(path, run["dataset"], "train")}
    total: npt.NDArray[np.int64] = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for block in seed_clusters(path, run["dataset"], run["split"]):
        train = trained[block.seed]
        k = int(max(train.cluster.max(), block.cluster.max())) + 1
        counts = contingency(train.cluster, train_labels, k, len(classes))
        total += confusion(block.cluster, labels, hungarian_then_greedy_map(counts), len(classes))
    frame = pd.DataFrame(total, index=pd.Index(classes), columns=pd.Index(classes))
    frame.attrs["title"] = f"{run['encoder']}, {run['dataset']}/{run['split']}"
    frame.attrs["superclasses"] = run.get("superclasses") or {}
    return frame


def largest_confusions(run: Mapping[str, Any], number: int) -> dict[str, Any]:
    """Return the `title` of a run and, as `found`, its `number` most frequent confusions over all seeds.

    Each says `truth` and `predicted` (class names), `images` and the `share` of the images of its class; see
    `confusion_frame`.
    """
    frame = confusion_frame(run)
    found = [
        {
            "truth": str(frame.index[pair.truth]),
            "predicted": str(frame.columns[pair.predicted]),
            "images": pair.images,
            "share": pair.share,
        }
        for pair in top_confusions(frame.to_numpy(), number)
    ]
    return {"title": frame.attrs["title"], "found": found}
