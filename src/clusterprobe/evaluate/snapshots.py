"""What trainings kept on their way: features of the same images after some epochs, with their classes.

CLD, arXiv 2008.03813, follows them so over its training, with and without its groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.knn import knn_scores, nearest_in_bank
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.rows import ArrayRows, Float32

Int64 = npt.NDArray[np.int64]

_NEIGHBOURS, _TEMPERATURE = 20, 0.1
_COLUMNS = ["dataset", "encoder", "encoder_seed", "epoch", "value"]


@dataclass(frozen=True)
class Snapshots:
    """Features float32 [E, M, D] of M images after `epochs` [E] of a training, with their labels [M]."""

    features: Float32
    epochs: tuple[int, ...]
    labels: Int64
    classes: tuple[str, ...]

    def __iter__(self) -> Iterator[tuple[int, Float32]]:
        """Yield each number of epochs and the features [M, D] after them."""
        return zip(self.epochs, self.features, strict=True)


def read_snapshots(training: Mapping[str, Any]) -> Snapshots:
    """Read the snapshots of a training, which says `found` (its found.npz) and `manifest` of their split.

    Raises UserError when they are of other images.
    """
    manifest, found = read_manifest(Path(training["manifest"])), load_arrays(Path(training["found"]))
    if str(found.get("snapshot_content")) != manifest.content:
        raise UserError(f"{training['found']} holds no snapshots of the images of its manifest: delete it")
    epochs, labels = tuple(found["snapshot_epochs"].tolist()), manifest.labels[found["snapshot_rows"]]
    return Snapshots(found["snapshots"], epochs, labels, manifest.classes)


def snapshot_knn_frame(trainings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns dataset, encoder, encoder_seed, epoch, value: kNN top-1 among the images of snapshots.

    Every labelled image is classified by the nearest 20 of the other labelled ones. A training says `dataset`
    and `encoder` (readable), `encoder_seed`, and what `read_snapshots` reads. Raises UserError as that does,
    and where no image has a label.
    """
    rows = []
    for training in trainings:
        kept = read_snapshots(training)
        labelled = np.flatnonzero(kept.labels >= 0)
        labels, own = kept.labels[labelled], np.arange(len(labelled))
        for epoch, features in kept:
            known = ArrayRows(features[labelled])
            nearest = nearest_in_bank(known, known, _NEIGHBOURS, own)
            scores = knn_scores(nearest, labels, labels, len(kept.classes), _TEMPERATURE)
            rows.append((*(training[name] for name in _COLUMNS[:3]), epoch, scores["knn_top1"]))
    return pd.DataFrame(rows, columns=_COLUMNS)
