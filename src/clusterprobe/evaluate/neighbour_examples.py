"""Some images with their mined neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clusterprobe.evaluate.pictures import small_picture
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json

ANCHORS = 8
NEAREST = 8


def neighbours_frame(mined: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns anchor, rank (0: the anchor itself), image (uint8), true (None without labels).

    `mined` is what config.figure_cells.neighbours_cell spells out. Anchors stand at equal distances in the
    manifest, so that nobody picked them. `true` says whether a neighbour has the class of its anchor.
    """
    manifest = read_manifest(Path(mined["manifest"]))
    source = open_source(read_json(Path(mined["location"])), "train")
    neighbours = load_arrays(Path(mined["neighbours"]))["neighbours"]
    count = min(ANCHORS, len(manifest))
    anchors = np.linspace(0, len(manifest) - 1, count).round().astype(np.int64)
    rows = []
    for anchor in anchors.tolist():
        for rank, row in enumerate([anchor, *neighbours[anchor, :NEAREST].tolist()]):
            true = same_class(int(manifest.labels[anchor]), int(manifest.labels[row]))
            picture = small_picture(source, manifest, row)
            rows.append({"anchor": anchor, "rank": rank, "image": picture, "true": true})
    frame = pd.DataFrame(rows).astype({"true": object})
    frame.attrs["title"] = f"{mined['encoder']}, {mined['dataset']}/train"
    return frame


def same_class(one: int, other: int) -> bool | None:
    """Return whether two labels are the same, None if one of them is not known (negative)."""
    return one == other if min(one, other) >= 0 else None
