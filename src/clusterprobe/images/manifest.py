"""The list of images of one split: who they are, where they lie, what they show, what their bytes were."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from clusterprobe.config.errors import UserError
from clusterprobe.store.tables import read_table, write_table

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("location", pa.string()),
        ("label", pa.int64()),
        ("class", pa.string()),
        ("sha256", pa.string()),
    ]
)
_SHOWN = 5
_SEVERAL = pa.field(
    "labels", pa.list_(pa.field("element", pa.int64()))
)  # only there if an image may be of several classes
_SHOWN_CLASSES = pa.field("shown", pa.list_(pa.field("element", pa.int8())))
_FINE = "labels are superclasses"  # then the column `class` is finer than `label`


@dataclass(frozen=True, eq=False)
class Manifest:
    """N images. `labels` int64 [N] index `classes`, -1 where an image has none; `classes` is () if none has.

    Where superclasses are the labels, `fine` holds the class of each image, None where it has none; or else
    it is empty. Where an image may be of several classes `several` holds the labels of each, and `labels`
    that of an image of just one; or else it is empty. Where lists say of every class whether images show it
    there are no labels, but `shown` int8 [N, C]: 1 for a class that an image shows, 0 for one that it does
    not, -1 where it does not count. Raises UserError for repeated ids and for labels that do not fit the
    classes, naming them.
    """

    ids: tuple[str, ...]
    locations: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    sha256: tuple[str, ...]
    fine: tuple[str | None, ...] = ()
    several: tuple[tuple[int, ...], ...] = ()
    shown: npt.NDArray[np.int8] | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.ids), len(self.locations), len(self.labels), len(self.sha256)}
        lengths |= {len(column) for column in (self.fine, self.several) if column}
        lengths |= {len(self.shown)} if self.shown is not None else set()
        if len(lengths) != 1:
            raise ValueError(f"the columns of a manifest differ in length: {sorted(lengths)}")
        check_unique(self.ids, "the images")
        misfits = np.flatnonzero((self.labels < -1) | (self.labels >= len(self.classes)))
        if misfits.size:
            first = int(misfits[0])
            raise UserError(
                f"labels that do not fit the {len(self.classes)} classes: image {self.ids[first]!r} has "
                f"label {self.labels[first]} ({misfits.size} such images); correct the labels or the classes"
            )
        if self.shown is not None and self.shown.shape[1:] != (len(self.classes),):
            raise ValueError(f"`shown` is {self.shown.shape} for {len(self.classes)} classes")

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def content(self) -> str:
        """SHA-256 over (id, sha256 of the image) in order: what features are computed from."""
        digest = hashlib.sha256()
        for name, image in zip(self.ids, self.sha256, strict=True):
            digest.update(f"{json.dumps(name)} {image}\n".encode())
        return digest.hexdigest()


def check_unique(ids: Sequence[str], where: str) -> None:
    """Raise UserError naming the ids that occur more than once."""
    if len(set(ids)) == len(ids):
        return
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    shown = ", ".join(repr(name) for name in repeated[:_SHOWN])
    more = f" and {len(repeated) - _SHOWN} more" if len(repeated) > _SHOWN else ""
    raise UserError(f"duplicate ids among {where}: {shown}{more}; give every image an id of its own")


def write_manifest(path: Path, manifest: Manifest) -> None:
    """Write a manifest as parquet, atomically; equal manifests give equal bytes."""
    names = (*manifest.classes, None)  # -1 picks the last
    table = pa.table(
        {
            "id": manifest.ids,
            "location": manifest.locations,
            "label": pa.array(manifest.labels, mask=manifest.labels < 0),
            "class": manifest.fine or [names[label] for label in manifest.labels],
            "sha256": manifest.sha256,
        },
        schema=SCHEMA,
    )
    if manifest.several:
        table = table.append_column(_SEVERAL, pa.array(manifest.several, _SEVERAL.type))
    if manifest.shown is not None:
        table = table.append_column(_SHOWN_CLASSES, pa.array(manifest.shown.tolist(), _SHOWN_CLASSES.type))
    metadata = {"classes": json.dumps(manifest.classes, ensure_ascii=False)}
    metadata |= {_FINE: ""} if manifest.fine else {}
    write_table(path, table.replace_schema_metadata(metadata))


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises UserError naming the file when it is missing, damaged or something else."""
    table = read_table(path)
    metadata = table.schema.metadata or {}
    stored = metadata.get(b"classes")
    names = table.schema.names
    several, shown = _SEVERAL.name in names, _SHOWN_CLASSES.name in names
    further = [*([_SEVERAL.name] if several else []), *([_SHOWN_CLASSES.name] if shown else [])]
    if stored is None or names != [*SCHEMA.names, *further]:
        raise UserError(f"{path} is not a manifest: it has the columns {names}; index again")
    return Manifest(
        ids=tuple(table["id"].to_pylist()),
        locations=tuple(table["location"].to_pylist()),
        labels=table["label"].fill_null(-1).to_numpy(),
        classes=tuple(json.loads(stored)),
        sha256=tuple(table["sha256"].to_pylist()),
        fine=tuple(table["class"].to_pylist()) if _FINE.encode() in metadata else (),
        several=tuple(map(tuple, table["labels"].to_pylist())) if several else (),
        shown=np.array(table["shown"].to_pylist(), dtype=np.int8) if shown else None,
    )
