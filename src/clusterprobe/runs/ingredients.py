"""What a training of the workflow is made from: files on disk, opened as the data of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.images.batches import TrainingImages, open_images
from clusterprobe.images.manifest import Manifest, read_manifest
from clusterprobe.images.sources import ImageSource, open_source
from clusterprobe.store.arrays import load_arrays
from clusterprobe.store.atomic import read_json
from clusterprobe.store.features import FeatureMatrix, read_records
from clusterprobe.store.hashing import sha256_file
from clusterprobe.train.cached_views import CachedViews
from clusterprobe.train.job import Data

FOUND, PSEUDO_LABELS = "found.npz", "pseudo_labels"


@dataclass(frozen=True)
class Ingredients:
    """The files that a training is made from; most trainings need only some of them.

    Attributes:
        manifest, facts, location: of the train split. Without `location`, features stand in for its images.
        start: folder of the encoder that the training goes on from.
        neighbours: neighbour sets that it learns from.
        selection_manifest, selection_location: of the images that its objective chooses by; the manifest has
            the name of their split.
        views, plain, selection_plain: shards of features of `start`: of augmented views of the train split,
            of the train split itself, and of the images that the objective chooses by.
    """

    manifest: Path
    facts: Path
    location: Path | None = None
    start: Path | None = None
    neighbours: Path | None = None
    selection_manifest: Path | None = None
    selection_location: Path | None = None
    views: Sequence[Path] = ()
    plain: Sequence[Path] = ()
    selection_plain: Sequence[Path] = ()

    def hashes(self) -> dict[str, Any]:
        """Return what identifies the content of the ingredients, the images of the train split apart."""
        files = {"start": self.start and self.start / "encoder.json", "neighbours": self.neighbours}
        selection = self.selection_manifest and read_manifest(self.selection_manifest).content
        shards = {"views": self.views, "plain": self.plain, "selection_plain": self.selection_plain}
        return {
            **{name: sha256_file(path) if path else None for name, path in files.items()},
            **{name: [record.sha256 for record in read_records(paths)] for name, paths in shards.items()},
            "selection": selection,
        }


def open_data(made_from: Ingredients, images: Manifest, preprocessing: Preprocessing, workers: int) -> Data:
    """Open the images of a training, or the features in their place, and all that goes with them.

    Raises UserError when features or neighbours belong to other images.
    """
    arrays = _arrays(images, made_from.neighbours, made_from.start)
    if made_from.location is None:
        return Data(_cached_views(made_from, images), arrays=arrays)
    open_split = partial(_images, preprocessing=preprocessing, workers=workers)
    selection = None
    if made_from.selection_manifest and made_from.selection_location:
        split = made_from.selection_manifest.stem
        selection = open_split(
            read_manifest(made_from.selection_manifest), made_from.selection_location, split
        )
    return Data(open_split(images, made_from.location, "train"), selection, arrays)


def _cached_views(made_from: Ingredients, images: Manifest) -> CachedViews:
    plain = {"train": _features(made_from.plain, images)}
    if made_from.selection_manifest:
        plain["selection"] = _features(made_from.selection_plain, read_manifest(made_from.selection_manifest))
    return CachedViews(_features(made_from.views, images), plain)


def _features(shards: Sequence[Path], images: Manifest) -> FeatureMatrix:
    matrix = FeatureMatrix.open(shards)
    if matrix.content != images.content:
        raise UserError(f"{shards[0].parent} holds features of other images: delete it and run again")
    return matrix


def _images(
    images: Manifest, location: Path, split: str, preprocessing: Preprocessing, workers: int
) -> TrainingImages:
    source = open_source(read_json(location), split)
    hashes = dict(zip(images.locations, images.sha256, strict=True))
    return open_images(partial(_decode, source, hashes, preprocessing), images.locations, workers=workers)


def _decode(
    source: ImageSource, hashes: Mapping[str, str], preprocessing: Preprocessing, location: str
) -> npt.NDArray[np.uint8]:
    return preprocessing.apply(source.read_verified(location, hashes[location]))


def _arrays(images: Manifest, neighbours: Path | None, start: Path | None) -> dict[str, npt.NDArray[Any]]:
    """Return one row per image, by name: labels, neighbours mined on these very images, and the labels that
    the training of `start` found for them.

    They reach an objective only if it says that it needs them.
    """
    arrays: dict[str, npt.NDArray[Any]] = {"labels": images.labels}
    if neighbours is not None:
        mined = load_arrays(neighbours)
        if str(mined["content"]) != images.content:
            raise UserError(f"{neighbours} was mined on other images: delete it and run again")
        arrays["neighbours"] = mined["neighbours"].astype(np.int64)
    found = load_arrays(start / FOUND) if start and (start / FOUND).exists() else {}
    if "labels" in found and str(found["content"]) == images.content:
        arrays[PSEUDO_LABELS] = found["labels"]
    return arrays
