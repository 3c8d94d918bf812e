"""Maps of the same images by the features that trainings had on the way.

CLD, arXiv 2008.03813, shows such maps with and without its groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.features.flat_map import flat_map
from clusterprobe.features.scaling import unit_length
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.rows import ArrayRows

NAMED = 10
"""Classes that are told apart: the first ones of a data set."""

_COLUMNS = ["encoder", "epoch", "x", "y", "name"]


def snapshots_frame(trainings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns encoder, epoch, x, y (t-SNE of unit vectors, within -1 and 1), name (class, or None).

    A training says `encoder` (readable), `found` (its found.npz) and `manifest` of the split that its
    snapshots are of. Every map is made on its own. Raises UserError when they are of other images.
    """
    parts = []
    for training in trainings:
        manifest, found = read_manifest(Path(training["manifest"])), load_arrays(Path(training["found"]))
        if str(found.get("snapshot_content")) != manifest.content:
            raise UserError(
                f"{training['found']} holds no snapshots of the images of its manifest: delete it"
            )
        labels = manifest.labels[found["snapshot_rows"]]
        known = [0 <= label < NAMED for label in labels.tolist()]
        names = [
            manifest.classes[label] if is_known else None
            for label, is_known in zip(labels, known, strict=True)
        ]
        for epoch, features in zip(found["snapshot_epochs"].tolist(), found["snapshots"], strict=True):
            points = flat_map(ArrayRows(unit_length(features)), np.arange(len(features)))
            place = {"encoder": training["encoder"], "epoch": epoch, "x": points[:, 0], "y": points[:, 1]}
            parts.append(pd.DataFrame(place | {"name": pd.Series(names, dtype=object)}, columns=_COLUMNS))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)
