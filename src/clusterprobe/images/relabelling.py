"""Some of the classes of a data set, or superclasses in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.listing import ListedDataset, Listing


def relabelled(listed: ListedDataset, definition: Mapping[str, Any], dataset: str) -> ListedDataset:
    """Return what is left of a data set under `classes`, `class_limit` and `superclasses` of its definition.

    `classes` keeps the images of these classes, which become the labels in this order, and `class_limit` the
    first so many of them, or of all; `superclasses`, pairs
    [class, superclass], makes labels of the superclasses, in the order in which they first appear. Raises
    UserError for a class that the data set does not have, and for one without a superclass.
    """
    if definition.get("classes") is not None:
        listed = _only(listed, definition["classes"], dataset)
    if definition.get("class_limit") is not None:
        listed = _only(listed, listed.classes[: definition["class_limit"]], dataset)
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
        if listing.several:
            listing = replace(listing, several=[_wanted(names, wanted) for names in listing.several])
        kept = np.flatnonzero(
            [bool(names) for names in listing.several] or [name in wanted for name in listing.names]
        )
        if not len(kept):
            raise UserError(f"data set {dataset!r}, split {split!r}: no image is of one of its `classes`")
        splits[split] = _renamed_by_several(listing.subset(kept))
    counterparts = {name: here for name, here in listed.counterparts.items() if here in wanted}
    return replace(listed, splits=splits, classes=tuple(classes), counterparts=counterparts)


def _wanted(names: tuple[str, ...], wanted: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in wanted)


def _renamed_by_several(listing: Listing) -> Listing:
    """Return a listing in which an image of one class has it as its name, of several none."""
    if not listing.several:
        return listing
    return replace(listing, names=[names[0] if len(names) == 1 else None for names in listing.several])


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
    several = [
        tuple(dict.fromkeys(superclasses.get(name, name) for name in of_one)) for of_one in listing.several
    ]
    return _renamed_by_several(replace(listing, names=names, fine=listing.names, several=several))
