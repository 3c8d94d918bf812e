"""The benchmark of encoders in small: which of them run, on what part of which sets, what must come out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

BENCHMARK = ["swav", "simclr-v2-resnet-152-sk", "supervised-resnet-152", "dino-resnet-50"]
FEW = {"imagenet": BENCHMARK, "objectnet": BENCHMARK, "imagenet-published": BENCHMARK[:3]}
"""Of experiments with dozens of encoders the ones that are run."""

OBJECTNET = {"expected": None, "published_as": "ObjectNet (113 ImageNet-overlap classes)", "shards": 1}
PART = {"class_limit": 40, "published_as": "ImageNet", "shards": 1}
TINY: dict[str, dict[str, dict[str, Any]]] = {
    "imagenet": {
        "imagenet": PART,
        "objectnet": OBJECTNET,
        **{f"imagenet-{kind}": {"expected": None} for kind in ("v2", "r", "a", "sketch")},
        "imagenet-real": {},
    },
    "objectnet": {
        "objectnet": {
            "from": "objectnet-fitted",
            "expected": None,
            "published_as": "ObjectNet (313 classes)",
        }
    },
    "imagenet-published": {"imagenet": PART, "objectnet": OBJECTNET},
    "imagenet-attribution": {"imagenet": {"shards": 1}, "objectnet": {"expected": None, "shards": 1}},
    "sela-imagenet": {
        "imagenet": PART | {"class_limit": 60},
        "places205": {"class_limit": 20, "published_as": "Places"},
        "voc07": {},
    },
    "imagenet-sample": {
        "sample": {"from": "imagenet", "class_limit": 20, "limit": {"train": 40, "test": 20}, "shards": 1}
    },
}
"""What else replaces published sets where their size is looked at, or clusters would outnumber images."""


def fewer(group: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a group of clusterings that ask for less than few images and a small network have."""
    found: dict[str, Any] = {}
    if "factors" in group:
        found["factors"] = [factor for factor in group["factors"] if factor <= 2]
    if any("dims" in reducer for reducer in group.get("reducers", ())):
        found["reducers"] = [{"dims": 2}, {"dims": 6}]
    return found


def check_tables(folder: Path, name: str) -> None:
    """Tables of the benchmark are filled: no column is all dashes, encoders that ran have clean numbers."""
    for path in folder.glob("kmeans-table-[234].csv"):
        table = pd.read_csv(path)
        columns = [column for column in table if column not in ("group", "missing", "encoder")]
        columns = [column for column in columns if not column.endswith("_std")]
        assert table[columns].notna().any().all(), path
        ours = table[table["acc"].notna()]
        assert len(ours) >= len(FEW.get(name, BENCHMARK[:3])), path
        assert ours["chance_acc"].notna().all()
        published = [column for column in table if column.startswith("published_") and "linear" not in column]
        assert bool(published) == (name in FEW)
    if name == "objectnet":
        assert (
            pd.read_csv(folder / "kmeans-table-4.csv")[["recall_shared", "recall_unshared"]]
            .notna()
            .any()
            .all()
        )
