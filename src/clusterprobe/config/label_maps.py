"""What label maps count by: one that is a file by what it says, not by the place where it lies."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clusterprobe.config.errors import UserError


def counted_as(label_map: str) -> str:
    """Return what ids and parameters hold of a label map: its name, or the SHA-256 of a CSV file.

    What a shipped map says is part of the code that reads it. Raises UserError for a file that is not there.
    """
    if not label_map.endswith(".csv"):
        return label_map
    path = Path(located(label_map))
    if not path.is_file():
        raise UserError(f"label map {path} does not exist; correct the path")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def located(label_map: str) -> str:
    """Return what the code that reads a label map needs of it: its name, or where it lies."""
    return str(Path(label_map).expanduser())
