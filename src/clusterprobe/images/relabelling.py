"""Some of the classes of a data set, or superclasses in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.listing import ListedDataset, Listing


def relabelled(listed: ListedDataset, definition: Mapping[str, Any], dataset: str) -> ListedDataset:
    """Return what is left of a data set under the keys `classes` and `superclasses` of its definition.

    `classes` keeps the images of these classes, which become the labels in this order; `superclasses`, pairs
    [class, superclass], makes labels of the superclasses, in the order in which they first appear. Raises
    UserError for a class that the data set does not have, and for one without a superclass.
    """
    if definition.get("classes") is not None:
        listed = _only(listed, definition["classes"], dataset)
    if definition.get("superclasses") is not None:
        listed = _grouped(listed, dict(definition["superclasses"]), dataset)
    return listed


def _only(listed: ListedDataset, classes: Sequence[str], dataset: str) -> ListedDataset:
    for name in classes:
        if name not in listed.classes:
            raise UserError(
                f"data set {dataset!r} has no class {name!r}; {nearest(name, listed.classes)}; correct "
                "`classes` or add its images"
            )
    wanted = set(classes)
    splits = {}
    for split, listing in listed.splits.items():
        kept = np.flatnonzero([name in wanted for name in listing.names])
        if not len(kept):
            raise UserError(f"data set {dataset!r}, split {split!r}: no image is of one of its `classes`")
        splits[split] = listing.subset(kept)
    return replace(listed, splits=splits, classes=tuple(classes))


def _grouped(listed: ListedDataset, superclasses: Mapping[str, str], dataset: str) -> ListedDataset:
    for name in listed.classes:
        if name not in superclasses:
            raise UserError(
                f"data set {dataset!r}: the class {name!r} has no superclass; {nearest(name, superclasses)}; "
                "add it to `superclasses`, or leave it out by `classes`"
            )
    present = set(listed.classes)
    labels = dict.fromkeys(group for name, group in superclasses.items() if name in present)
    splits = {split: _renamed(listing, superclasses) for split, listing in listed.splits.items()}
    return replace(listed, splits=splits, classes=tuple(labels))


def _renamed(listing: Listing, superclasses: Mapping[str, str]) -> Listing:
    """Return a listing under superclasses; a class that has none keeps its name and fits no label later."""
    names = [None if name is None else superclasses.get(name, name) for name in listing.names]
    return replace(listing, names=names, fine=listing.names)
