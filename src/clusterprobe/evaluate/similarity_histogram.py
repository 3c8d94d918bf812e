"""How similar images of one class and of different classes are in the features of an encoder.

CLD, arXiv 2008.03813, shows these histograms for its features and those of its base.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.features.scaling import unit_length
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import Float32

SAME, OTHER = "same class", "other classes"
BINS = 50

_IMAGES = 2000
_COLUMNS = ["dataset", "encoder", "pairs", "low", "share"]


def similarity_histograms(
    points: Float32, labels: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[np.float64]]:
    """Return the shares [50] of pairs of rows [N, D] by their cosine, from -1 to 1: of one class, of others.

    labels [N]: classes. Raises UserError if there are no pairs of one of the two kinds.
    """
    unit = unit_length(points)
    first, second = np.triu_indices(len(unit), 1)
    cosines = np.clip((unit @ unit.T)[first, second], -1, 1)
    same = labels[first] == labels[second]
    found = {}
    for name, chosen in ((SAME, same), (OTHER, ~same)):
        if not chosen.any():
            raise UserError(f"figure 'similarities': there are no two images of {name}")
        counts, _ = np.histogram(cosines[chosen], np.linspace(-1, 1, BINS + 1))
        found[name] = counts / counts.sum()
    return found


def similarities_frame(encoders: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return columns dataset, encoder, pairs, low (edge of the bin), share.

    An entry says `dataset` and `encoder` (readable), `shards` and `manifest` (paths) of one split, of which
    up to 2,000 labelled images, evenly spread, are compared.
    """
    rows = []
    edges = np.linspace(-1, 1, BINS + 1)[:-1]
    for entry in encoders:
        features = FeatureMatrix.open([Path(shard) for shard in entry["shards"]])
        labels = read_manifest(Path(entry["manifest"])).labels
        known = np.flatnonzero(labels >= 0)
        chosen = known[np.linspace(0, len(known) - 1, min(len(known), _IMAGES)).round().astype(np.int64)]
        for pairs, shares in similarity_histograms(features.take(chosen), labels[chosen]).items():
            names = {"dataset": entry["dataset"], "encoder": entry["encoder"], "pairs": pairs}
            rows += [names | {"low": low, "share": share} for low, share in zip(edges, shares, strict=True)]
    return pd.DataFrame(rows, columns=_COLUMNS)
