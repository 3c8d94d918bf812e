"""Fewer images in a split: those of a list, or a long tail of classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError
from clusterprobe.images.listing import ListedDataset, Listing
from clusterprobe.images.splits import long_tailed

_THINNED = "train"


def thinned(listed: ListedDataset, definition: Mapping[str, Any], dataset: str) -> ListedDataset:
    """Return what is left of a data set under the keys `lists` and `imbalance` of its definition.

    `lists` names text files of the images that splits keep; `imbalance` gives the classes of the train split
    an exponential profile, see `splits.long_tailed`. Raises UserError for an image that a list has and the
    split has not, and for a long tail without classes.
    """
    splits = dict(listed.splits)
    for split, place in (definition.get("lists") or {}).items():
        splits[split] = _listed(
            splits[split], Path(place).expanduser(), f"data set {dataset!r}, {split} split"
        )
    imbalance = definition.get("imbalance")
    if imbalance is not None:
        train = splits[_THINNED]
        if not listed.classes:
            raise UserError(f"data set {dataset!r}: `imbalance` needs class labels, and there are none")
        seed = int(definition.get("split_seed", 0))
        kept = long_tailed(train.ids, train.labels(listed.classes), float(imbalance), seed)
        splits[_THINNED] = train.subset(kept)
    return replace(listed, splits=splits)


def _listed(listing: Listing, path: Path, what: str) -> Listing:
    """Return the images of a listing that a text file names by the last two parts of their paths."""
    lines = path.read_text(encoding="utf-8").splitlines()
    wanted = {_ending(line.split()[0]) for line in lines if line.strip()}
    endings = [_ending(image) for image in listing.ids]
    if missing := sorted(wanted - set(endings)):
        raise UserError(
            f"{what}: {len(missing)} images of the list {path} are not there, the first is {missing[0]!r}; "
            "correct `lists`, or add the images"
        )
    return listing.subset(np.flatnonzero([ending in wanted for ending in endings]))


def _ending(path: str) -> str:
    return "/".join(path.replace("\\", "/").split("/")[-2:])
