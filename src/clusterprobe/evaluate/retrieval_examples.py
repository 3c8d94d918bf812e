"""Some images with the train images that are nearest to them in the features of several encoders.

CLD, arXiv 2008.03813, shows such retrievals with and without its groups.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from clusterprobe.evaluate.knn import Int64, nearest_in_bank
from clusterprobe.evaluate.neighbour_examples import same_class
from clusterprobe.evaluate.pictures import small_picture
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.store.atomic import read_json
from clusterprobe.store.features import FeatureMatrix
from clusterprobe.store.rows import ArrayRows

QUERIES = 6
NEAREST = 8

_ROWS = 24
_COLUMNS = ["anchor", "encoder", "rank", "image", "true"]


def retrieval_frame(cell: Mapping[str, Any]) -> pd.DataFrame:
    """Return columns anchor, encoder, rank (0: the anchor itself), image (uint8), true (None without labels).

    `cell` is what config.figure_cells.retrieval_cell spells out. Anchors stand at equal distances in the
    manifest of their split, so that nobody picked them; all encoders get the same. `true` says whether a
    train image has the class of its anchor.
    """
    queries, bank = (read_manifest(Path(cell[name])) for name in ("manifest", "train_manifest"))
    source = open_source(read_json(Path(cell["location"])), cell["split"])
    train = open_source(read_json(Path(cell["train_location"])), "train")
    count = min(len(queries), QUERIES, max(2, _ROWS // max(1, len(cell["encoders"]))))
    anchors = np.linspace(0, len(queries) - 1, count).round().astype(np.int64)
    rows = []
    for entry in cell["encoders"]:
        found = _nearest(entry["queries"], entry["bank"], anchors, own=cell["split"] == "train")
        for anchor, nearest in zip(anchors.tolist(), found.tolist(), strict=True):
            place = {"anchor": anchor, "encoder": entry["encoder"]}
            rows.append(place | {"rank": 0, "image": small_picture(source, queries, anchor), "true": None})
            for rank, row in enumerate(nearest, 1):
                true = same_class(int(queries.labels[anchor]), int(bank.labels[row]))
                rows.append(place | {"rank": rank, "image": small_picture(train, bank, row), "true": true})
    frame = pd.DataFrame(rows, columns=_COLUMNS).astype({"true": object})
    frame.attrs["title"] = f"{cell['dataset']}: {cell['split']} images, and the nearest of the train split"
    return frame


def _nearest(queries: Sequence[str], bank: Sequence[str], anchors: Int64, own: bool) -> Int64:
    """Return the rows [M, k] of a bank that are nearest to the rows `anchors` [M] of the queries."""
    rows, among = (FeatureMatrix.open([Path(shard) for shard in shards]) for shards in (queries, bank))
    asked = ArrayRows(rows.take(anchors), rows.space, rows.content)
    return nearest_in_bank(among, asked, NEAREST, anchors if own else None).indices
