"""What was found in files that did not change since: of a folder that grows, only new files are decoded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from clusterprobe.config.errors import UserError
from clusterprobe.images.decode import BadImage, bad_image
from clusterprobe.images.listing import ImageSource
from clusterprobe.store.tables import read_table, write_table

Found = tuple[str, tuple[int, int]] | BadImage
"""SHA-256, width and height of an image, or what is wrong with it."""

_SCHEMA = pa.schema(
    [
        ("location", pa.string()),
        ("stamp", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("reason", pa.string()),
    ]
)


class SeenImages:
    """Findings by location and stamp (size and modification time), kept in one file; None keeps nothing."""

    def __init__(self, path: Path | None, source: ImageSource) -> None:
        self._path, self._source = path, source
        self._kept: dict[tuple[str, str], Found] = {}
        self._found: dict[tuple[str, str], Found] = {}
        if path is not None and path.exists():
            self._read(path)

    def look(self, location: str, examine: Callable[[str], Found]) -> Found:
        """Return what is known of the image at `location`, or what `examine` finds."""
        stamp = self._source.stamp(location) if self._path is not None else None
        if stamp is None:
            return examine(location)
        found = self._kept.get((location, stamp)) or examine(location)
        self._found[location, stamp] = found
        return found

    def write(self) -> None:
        """Keep what was found this time."""
        if self._path is None:
            return
        rows = [
            {"location": location, "stamp": stamp, "reason": found.reason}
            if isinstance(found, BadImage)
            else {"location": location, "stamp": stamp, "sha256": found[0]}
            | dict(zip(("width", "height"), found[1], strict=True))
            for (location, stamp), found in sorted(self._found.items())
        ]
        write_table(self._path, pa.Table.from_pylist(rows, schema=_SCHEMA))

    def _read(self, path: Path) -> None:
        try:
            rows = read_table(path).to_pylist()
        except UserError as error:
            print(f"{error}; all pictures are looked at anew", file=sys.stderr)
            return
        for row in rows:
            name = self._source.name(row["location"])
            found: Found = (row["sha256"], (row["width"], row["height"]))
            if row["reason"] is not None:
                found = bad_image(name, row["reason"])
            self._kept[row["location"], row["stamp"]] = found
