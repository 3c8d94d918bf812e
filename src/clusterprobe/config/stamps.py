"""A cheap sign that the images behind a data set changed since they were indexed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from clusterprobe.config.datasets import Dataset, FolderDataset, ParquetDataset
from clusterprobe.config.identity import identity


def location_stamp(dataset: Dataset) -> str:
    """Return an id that changes when files appear in or vanish from a data set.

    For a folder it covers the modification times of the root and of the folders in it, for parquet files
    their sizes and modification times: nothing is listed or read, so that large sets cost nothing. A
    picture that is overwritten in place is found later, by its hash.
    """
    if isinstance(dataset, FolderDataset):
        roots = [dataset.path] if dataset.path else sorted((dataset.splits or {}).values())
        return identity("folder", [_folder(Path(root)) for root in roots])
    if isinstance(dataset, ParquetDataset):
        return identity("parquet", [_file(Path(path)) for path in sorted(dataset.splits.values())])
    return "fixed"


def _folder(root: Path) -> list[Any]:
    if not root.is_dir():
        return ["missing"]
    with os.scandir(root) as entries:
        folders = sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.is_dir())
    return [root.stat().st_mtime_ns, folders]


def _file(path: Path) -> list[Any]:
    if not path.exists():
        return ["missing"]
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
