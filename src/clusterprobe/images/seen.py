"""What was found in files that did not change since: of a folder that grows, only new files are decoded."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from clusterprobe.config.errors import UserError
from clusterprobe.images.decode import BadImage
from clusterprobe.images.listing import ImageSource
from clusterprobe.store.tables import read_table, write_table

Good = tuple[str, tuple[int, int]]
"""SHA-256, width and height of an image."""

Found = Good | BadImage
"""The same, or what is wrong with the image."""

_SCHEMA = pa.schema(
    [
        ("location", pa.string()),
        ("stamp", pa.string()),
        ("sha256", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
    ]
)


class SeenImages:
    """Good images by location and stamp (size and modification time), kept in one file; None keeps nothing.

    Bad ones are looked at each time: a right to read, a network that answers again, and a decoder that can
    do more leave the stamp of a file as it is.
    """

    def __init__(self, path: Path | None, source: ImageSource) -> None:
        self._path, self._source = path, source
        self._kept: dict[tuple[str, str], Good] = {}
        self._found: dict[tuple[str, str], Good] = {}
        if path is not None and path.exists():
            self._read(path)

    def look(self, location: str, examine: Callable[[str], Found]) -> Found:
        """Return what is known of the image at `location`, or what `examine` finds."""
        stamp = self._source.stamp(location) if self._path is not None else None
        if stamp is None:
            return examine(location)
        found = self._kept.get((location, stamp)) or examine(location)
        if not isinstance(found, BadImage):
            self._found[location, stamp] = found
        return found

    def write(self) -> None:
        """Keep what was found this time."""
        if self._path is None:
            return
        rows = [
            {"location": location, "stamp": stamp, "sha256": sha256, "width": width, "height": height}
            for (location, stamp), (sha256, (width, height)) in sorted(self._found.items())
        ]
        write_table(self._path, pa.Table.from_pylist(rows, schema=_SCHEMA))

    def _read(self, path: Path) -> None:
        try:
            rows = read_table(path).to_pylist()
        except UserError as error:
            print(f"{error}; all pictures are looked at anew", file=sys.stderr)
            return
        self._kept = {
            (row["location"], row["stamp"]): (row["sha256"], (row["width"], row["height"]))
            for row in rows
            if row["sha256"] is not None  # earlier versions kept bad images, too
        }
