"""Maps of the same images by the features that trainings had on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from clusterprobe.evaluate.snapshots import read_snapshots
from clusterprobe.features.flat_map import flat_map
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import ArrayRows

NAMED = 10
"""Classes that are told apart: the first ones of a data set."""

_COLUMNS = ["encoder", "epoch", "x", "y", "name"]


def snapshot_maps_frame(trainings: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns encoder, epoch, x, y (t-SNE of unit vectors, within -1 and 1), name (class, or None).

    A training says `encoder` (readable), and what `read_snapshots` reads. Every map is made on its own.
    """
    parts = []
    for training in trainings:
        kept = read_snapshots(training)
        names = [kept.classes[label] if 0 <= label < NAMED else None for label in kept.labels.tolist()]
        for epoch, features in kept:
            points = flat_map(ArrayRows(unit_length(features)), np.arange(len(features)))
            place = {"encoder": training["encoder"], "epoch": epoch, "x": points[:, 0], "y": points[:, 1]}
            parts.append(pd.DataFrame(place | {"name": pd.Series(names, dtype=object)}, columns=_COLUMNS))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=_COLUMNS)
