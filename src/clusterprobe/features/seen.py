"""Features of a set that grows: only pictures whose hash is new go through the network."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import Manifest
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.features import FeatureMatrix, record_path, write_blocks
from clusterprobe.store.rows import Float32
from clusterprobe.store.state import fingerprint

Extract = Callable[[Manifest], Iterable[Float32]]
"""From a manifest of M images to blocks of their features, float32 [M, D] together."""

_BLOCK = 4096


class SeenFeatures:
    """What `folder` keeps of earlier extractions of one `owner`: encoder, output and code."""

    def __init__(self, folder: Path, owner: object) -> None:
        self._folder, self._owner = folder, fingerprint(owner)

    def write(self, destination: Path, images: Manifest, extract: Extract, width: int, *, space: str) -> None:
        """Write the features of all images as one shard [N, width] and keep them for the next time.

        `extract` gets those images that are new, each content once. Raises what it raises.
        """
        known = self._known()
        fresh = _first_of_each(images, known)
        if len(fresh):
            blocks = extract(_subset(images, fresh))
            shape = (len(fresh), width)
            write_blocks(
                self._new, blocks, shape, space=space, content="new", first_row=0, total_rows=len(fresh)
            )
        new = {images.sha256[row]: number for number, row in enumerate(fresh)}
        sources = (
            (self._open(self._rows) if known else None, _places(images, known)),
            (self._open(self._new) if new else None, _places(images, new)),
        )
        shape = (len(images), width)
        write_blocks(
            destination,
            _joined(sources, shape),
            shape,
            space=space,
            content=images.content,
            first_row=0,
            total_rows=len(images),
        )
        self._remember(destination, images)

    @property
    def _rows(self) -> Path:
        return self._folder / "rows.npy"

    @property
    def _new(self) -> Path:
        return self._folder / "new.npy"

    def _open(self, path: Path) -> FeatureMatrix:
        return FeatureMatrix.open([path], verify=False)

    def _known(self) -> dict[str, int]:
        """Return the row of every picture that is kept; a memory that is damaged or another's is none."""
        try:
            kept = read_json(self._folder / "seen.json")
            matrix = FeatureMatrix.open([self._rows])
        except (UserError, OSError) as error:
            if self._folder.exists():
                print(f"{self._folder}: {error}; all pictures are looked at anew", file=sys.stderr)
            return {}
        if kept["owner"] != self._owner or len(kept["sha256"]) != matrix.shape[0]:
            return {}
        return {name: row for row, name in enumerate(kept["sha256"])}

    def _remember(self, destination: Path, images: Manifest) -> None:
        """Keep the shard under a second name: it takes no room until the first one is written anew."""
        (self._folder / "seen.json").unlink(missing_ok=True)  # first: it vouches for what lies beside it
        self._folder.mkdir(parents=True, exist_ok=True)
        for source, target in (
            (destination, self._rows),
            (record_path(destination), record_path(self._rows)),
        ):
            target.unlink(missing_ok=True)
            try:
                os.link(source, target)
            except OSError:  # no such links on this disk
                shutil.copy2(source, target)
        for path in (self._new, record_path(self._new)):
            path.unlink(missing_ok=True)
        write_json(self._folder / "seen.json", {"owner": self._owner, "sha256": list(images.sha256)})


def _first_of_each(images: Manifest, known: dict[str, int]) -> npt.NDArray[np.int64]:
    """Return the rows of pictures that are not known, of equal ones the first."""
    first: dict[str, int] = {}
    for row, name in enumerate(images.sha256):
        if name not in known:
            first.setdefault(name, row)
    return np.array(list(first.values()), dtype=np.int64)


def _subset(images: Manifest, rows: npt.NDArray[np.int64]) -> Manifest:
    columns = (tuple(column[row] for row in rows) for column in (images.ids, images.locations, images.sha256))
    ids, locations, sha256 = columns
    return Manifest(ids, locations, images.labels[rows], images.classes, sha256)


def _places(images: Manifest, rows: dict[str, int]) -> npt.NDArray[np.int64]:
    return np.array([rows.get(name, -1) for name in images.sha256], dtype=np.int64)


def _joined(
    sources: Iterable[tuple[FeatureMatrix | None, npt.NDArray[np.int64]]], shape: tuple[int, int]
) -> Iterator[Float32]:
    """Yield rows [N, D] in order, each from the matrix that has a place (not -1) for it."""
    sources = list(sources)
    for first in range(0, shape[0], _BLOCK):
        block = np.empty((min(_BLOCK, shape[0] - first), shape[1]), dtype=np.float32)
        for matrix, places in sources:
            here = places[first : first + len(block)]
            if matrix is not None:
                block[here >= 0] = matrix.take(here[here >= 0])
        yield block
