"""What every kind of data set offers: a listing of its splits, and a source that reads their images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.decode import decode_image
from clusterprobe.store.hashing import sha256_bytes


class ImageSource(ABC):
    """Where the images of one split lie. Picklable, and safe to share between threads."""

    @abstractmethod
    def fetch(self, location: str) -> bytes:
        """Return the bytes of one image file; raises UserError when it cannot be read."""

    @abstractmethod
    def name(self, location: str) -> str:
        """Return the words by which a message should name this image."""

    def stamp(self, location: str) -> str | None:
        """Return what changes when the file behind an image does; None: that would take a look at it."""
        return None

    def read(self, location: str) -> Image.Image:
        """Return the picture at `location` in mode L or RGB, upright; raises BadImage naming it."""
        return decode_image(self.fetch(location), self.name(location))

    def read_verified(self, location: str, sha256: str) -> Image.Image:
        """Return the picture if its bytes still have the hash `sha256`; raises UserError if they changed."""
        data = self.fetch(location)
        if sha256_bytes(data) != sha256:
            raise UserError(
                f"{self.name(location)} changed since it was indexed: index the data set again "
                "(delete its folder below data/manifests and rerun), so that everything fits the new images"
            )
        return decode_image(data, self.name(location))


@dataclass(frozen=True)
class Listing:
    """The N images of one split before any is opened.

    `names` holds the class of each, None where unknown; `fine`, where `names` are superclasses, what they
    were made from, and is empty otherwise; `several`, where an image may be of several classes, all of each;
    `shown` int8 [N, C], where lists say of every class whether images show it: as in a manifest.
    """

    source: ImageSource
    ids: Sequence[str]
    locations: Sequence[str]
    names: Sequence[str | None]
    fine: Sequence[str | None] = ()
    several: Sequence[tuple[str, ...]] = ()
    shown: npt.NDArray[np.int8] | None = None

    def labels(self, classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return [N] indices into `classes`, -1 for no class; raises UserError naming a misfit and its id."""
        index = {name: position for position, name in enumerate(classes)}
        for image, location, name in zip(self.ids, self.locations, self.names, strict=True):
            if name is not None and name not in index:
                raise UserError(
                    f"labels that do not fit the {len(classes)} known classes: image {image!r} "
                    f"({self.source.name(location)}) has label {name!r}; correct the label or add images "
                    "of that class to the training split"
                )
        return np.array([-1 if name is None else index[name] for name in self.names], dtype=np.int64)

    def subset(self, chosen: npt.NDArray[np.int64]) -> Listing:
        """Return the listing of the images at the indices `chosen`, in that order."""
        ids, locations, names = (
            [column[index] for index in chosen] for column in (self.ids, self.locations, self.names)
        )
        fine = [self.fine[index] for index in chosen] if self.fine else ()
        several = [self.several[index] for index in chosen] if self.several else ()
        shown = None if self.shown is None else self.shown[chosen]
        return Listing(self.source, ids, locations, names, fine, several, shown)


@dataclass(frozen=True)
class ListedDataset:
    """All splits of a data set, its classes in label order, and the record from which it is reopened.

    `counterparts`: which class of another data set is which class here, where a set comes with such a map.
    `refused` names what could not even be listed, each with `file` and `reason`.
    """

    splits: dict[str, Listing]
    classes: tuple[str, ...]
    record: dict[str, Any]
    counterparts: Mapping[str, str] = field(default_factory=dict)
    refused: tuple[dict[str, str], ...] = ()


def known_classes(splits: Mapping[str, Listing]) -> set[str]:
    """Return the classes of the training split, or of all splits if it has no labels or is not there."""
    train = splits.get("train")
    known = {name for name in train.names if name is not None} if train else set()
    return known or {name for listing in splits.values() for name in listing.names if name is not None}


def existing_path(path: str | Path, what: str) -> Path:
    """Return `path` as an absolute path; raises UserError when nothing is there."""
    absolute = Path(path).expanduser().absolute()
    if not absolute.exists():
        raise UserError(f"{what}: {absolute} does not exist; correct the path in the data set's definition")
    return absolute
