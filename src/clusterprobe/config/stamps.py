"""A cheap sign that the images behind a data set, or a local checkpoint, changed since they were read."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from clusterprobe.config.datasets import (
    Dataset,
    FolderDataset,
    ObjectNetDataset,
    ParquetDataset,
    TarDataset,
    VocDataset,
)
from clusterprobe.config.encoders import FileEncoder
from clusterprobe.config.identity import identity


def location_stamp(dataset: Dataset) -> str:
    """Return an id that changes when files appear in or vanish from a data set.

    For a folder it covers the modification times of the root and of the folders in it, for parquet files
    and archives their sizes and modification times: nothing is listed or read, so that large sets cost
    nothing. A picture that is overwritten in place is found later, by its hash. Of folders only those of the
    `classes` count, if the definition names any. Of a `growing` folder every file at any depth counts, with
    its size and modification time.
    """
    if isinstance(dataset, FolderDataset) and dataset.growing:
        roots = [dataset.path] if dataset.path else sorted((dataset.splits or {}).values())
        return identity("files", [*(_every_file(Path(root)) for root in roots), *_label_files(dataset)])
    if isinstance(dataset, FolderDataset):
        roots = [dataset.path] if dataset.path else sorted((dataset.splits or {}).values())
        named = dataset.classes is not None and dataset.numbered_classes is None  # or folders are numbers
        only = frozenset(dataset.classes or ()) if named else None
        return identity("folder", [_folder(Path(root), only) for root in roots] + _label_files(dataset))
    if isinstance(dataset, ObjectNetDataset):
        root = Path(dataset.root)
        return identity("objectnet", [_folder(root / "images", None), _files(root / "mappings")])
    if isinstance(dataset, ParquetDataset | TarDataset):
        return identity(dataset.kind, [_file(Path(path)) for path in sorted(dataset.splits.values())])
    if isinstance(dataset, VocDataset):
        root = Path(dataset.root)
        return identity(dataset.kind, [_folder(root, None), _folder(root / "ImageSets", None)])
    return "fixed"


def absent_places(dataset: Dataset) -> list[str]:
    """Return the folders and files of a data set that are absent or empty: is a disk not mounted?"""
    if isinstance(dataset, FolderDataset):
        roots = [dataset.path] if dataset.path else list((dataset.splits or {}).values())
        return [root for root in roots if not Path(root).is_dir() or not any(Path(root).iterdir())]
    if isinstance(dataset, ObjectNetDataset):
        root = Path(dataset.root) / "images"
        return [] if root.is_dir() and any(root.iterdir()) else [str(root)]
    if isinstance(dataset, ParquetDataset | TarDataset):
        return [path for path in dataset.splits.values() if not Path(path).exists()]
    if isinstance(dataset, VocDataset):
        places = [Path(dataset.root) / name for name in ("JPEGImages", "ImageSets")]
        return [str(place) for place in places if not place.is_dir()]
    return []


def checkpoint_stamp(encoder: FileEncoder, note: Path) -> str | None:
    """Return an id that changes with the size and modification time of a checkpoint on this machine, or None.

    Of one that is gone the stamp is what `note` says, the file that fetching leaves beside its copy: the copy
    is as good as ever.
    """
    place, *parts = encoder.place
    if place.startswith("file://"):
        place = unquote(urlsplit(place).path)
    elif "://" in place:
        return None
    files = [Path(place + part).expanduser() for part in parts or [""]]
    if not all(file.exists() for file in files):
        return note.read_text(encoding="utf-8") if note.exists() else None
    return identity("checkpoint", [_every_file(file) if file.is_dir() else _file(file) for file in files])


def _folder(root: Path, only: frozenset[str] | None) -> list[Any]:
    if not root.is_dir():
        return ["missing"]
    with os.scandir(root) as entries:
        folders = sorted(
            (entry.name, entry.stat().st_mtime_ns)
            for entry in entries
            if entry.is_dir() and (only is None or entry.name in only)
        )
    return [root.stat().st_mtime_ns if only is None else None, folders]


def _files(folder: Path) -> list[Any]:
    return [[path.name, *_file(path)] for path in sorted(folder.glob("*"))]


def _file(path: Path) -> list[Any]:
    if not path.exists():
        return ["missing"]
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _label_files(dataset: FolderDataset) -> list[Any]:
    given = [name for name in (dataset.label_lists, dataset.label_file) if name is not None]
    return [_file(Path(name)) for name in given]


def _every_file(root: Path) -> str:
    """Return a hash over name, size and modification time of every file below a folder that can be listed."""
    digest = hashlib.sha256()
    waiting = [str(root)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            with suppress(OSError):  # a link to nowhere, or a file that vanished meanwhile
                status = entry.stat()
                name = os.fsencode(os.path.relpath(entry.path, root))
                digest.update(name + f"\0{status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
