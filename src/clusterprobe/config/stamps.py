"""A cheap sign that the images behind a data set changed since they were indexed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clusterprobe.config.datasets import (
    Dataset,
    FolderDataset,
    ObjectNetDataset,
    ParquetDataset,
    TarDataset,
    VocDataset,
)
from clusterprobe.config.identity import identity


def location_stamp(dataset: Dataset) -> str:
    """Return an id that changes when files appear in or vanish from a data set.

    For a folder it covers the modification times of the root and of the folders in it, for parquet files
    and archives their sizes and modification times: nothing is listed or read, so that large sets cost
    nothing. A picture that is overwritten in place is found later, by its hash. Of folders only those of the
    `classes` count, if the definition names any.
    """
    if isinstance(dataset, FolderDataset):
        roots = [dataset.path] if dataset.path else sorted((dataset.splits or {}).values())
        named = dataset.classes is not None and dataset.numbered_classes is None  # or folders are numbers
        only = frozenset(dataset.classes or ()) if named else None
        lists = [] if dataset.label_lists is None else [_file(Path(dataset.label_lists))]
        return identity("folder", [_folder(Path(root), only) for root in roots] + lists)
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
