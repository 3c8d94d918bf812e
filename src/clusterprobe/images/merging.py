"""Several splits of a data set as one: for methods that are trained and scored on the same images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from clusterprobe.images.listing import ImageSource, ListedDataset, Listing

MERGED = "train"
"""The split that the others become part of."""

_JOINT = ":"


@dataclass(frozen=True)
class MergedSource(ImageSource):
    """Images of several splits; a location is the name of a split, a colon, and the location there."""

    parts: Mapping[str, ImageSource]

    def fetch(self, location: str) -> bytes:
        split, _, place = location.partition(_JOINT)
        return self.parts[split].fetch(place)

    def name(self, location: str) -> str:
        split, _, place = location.partition(_JOINT)
        return self.parts[split].name(place)


def merged(listed: ListedDataset, names: Sequence[str] | None) -> ListedDataset:
    """Return a data set whose splits `names` are one, its train split; as it is if there are no names.

    Ids begin with the name of the split that an image comes from.
    """
    if not names:
        return listed
    parts = {name: listed.splits[name] for name in names}
    whole = Listing(
        MergedSource({name: part.source for name, part in parts.items()}),
        [f"{name}/{image}" for name, part in parts.items() for image in part.ids],
        [f"{name}{_JOINT}{location}" for name, part in parts.items() for location in part.locations],
        [label for part in parts.values() for label in part.names],
        [label for part in parts.values() for label in part.fine],
        [labels for part in parts.values() for labels in part.several],
    )
    others = {name: part for name, part in listed.splits.items() if name not in parts}
    record = listed.record | {"merge": list(names)}
    return replace(listed, splits={MERGED: whole, **others}, record=record)
