"""Small copies of the pictures of a split, each with a fingerprint, in one file."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.listing import ImageSource
from clusterprobe.images.manifest import Manifest
from clusterprobe.store.progress import Progress
from clusterprobe.store.tables import read_table, write_table

SCHEMA = pa.schema(
    [
        ("sha256", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("gradients", pa.uint64()),
        ("colours", pa.binary(192)),
        ("jpeg", pa.binary()),
    ]
)
_THREADS = 8
_AT_ONCE = 256
_QUALITY = 80


@dataclass(frozen=True)
class Thumbnail:
    """One picture, small: JPEG bytes, the size of the original, and its fingerprint.

    `gradients`: 64 bits, whether each pixel of a 9 x 8 copy in grey is darker than the one to its right.
    `colours`: the bytes of an 8 x 8 copy in RGB.
    """

    width: int
    height: int
    gradients: int
    colours: bytes
    jpeg: bytes


def make_thumbnail(picture: Image.Image, side: int) -> Thumbnail:
    """Return the thumbnail of a picture (L or RGB), its longer side at most `side`."""
    width, height = picture.size
    grey = np.asarray(picture.convert("L").resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = np.packbits((grey[:, :-1] < grey[:, 1:]).ravel()).tobytes()
    colours = picture.convert("RGB").resize((8, 8), Image.Resampling.BOX).tobytes()
    small = picture.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return Thumbnail(width, height, int.from_bytes(bits, "big"), colours, buffer.getvalue())


def write_thumbnails(
    path: Path, images: Manifest, source: ImageSource, side: int, seen: Path | None = None
) -> None:
    """Write one row for each image, in the order of the manifest; with `seen`, only new ones are decoded.

    Raises UserError for an image that changed or cannot be read.
    """
    known = _Known(None) if seen is None else _known(seen, side)
    draw = partial(_draw, images, source, side, known)
    blocks = []
    with ThreadPoolExecutor(_THREADS) as pool, Progress("thumbnails", len(images)) as progress:
        for first in range(0, len(images), _AT_ONCE):
            rows = range(first, min(first + _AT_ONCE, len(images)))
            blocks.append(pa.Table.from_pylist(list(pool.map(draw, rows)), schema=SCHEMA))
            progress.update(len(rows))
    table = pa.concat_tables(blocks).replace_schema_metadata({"side": str(side)})
    write_table(path, table)
    if seen is not None:
        write_table(seen, table)


def read_thumbnails(path: Path) -> pa.Table:
    """Return the columns of SCHEMA, a row for each image of the manifest; raises as read_table."""
    return read_table(path)


def fingerprints(table: pa.Table) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
    """Return gradients uint64 [N] and colours uint8 [N, 192] of thumbnails."""
    colours = b"".join(table["colours"].to_pylist())
    return table["gradients"].to_numpy(), np.frombuffer(colours, dtype=np.uint8).reshape(-1, 192)


class _Known:
    """The rows of a table of thumbnails by hash, taken one at a time."""

    def __init__(self, table: pa.Table | None) -> None:
        hashes = [] if table is None else table["sha256"].to_pylist()
        self._table, self._rows = table, {sha256: row for row, sha256 in enumerate(hashes)}

    def get(self, sha256: str) -> dict[str, object] | None:
        """Return the row of a picture, None if there is none."""
        row = self._rows.get(sha256)
        if row is None or self._table is None:
            return None
        [found] = self._table.slice(row, 1).to_pylist()
        return dict(found)


def _draw(images: Manifest, source: ImageSource, side: int, known: _Known, row: int) -> dict[str, object]:
    sha256 = images.sha256[row]
    if (found := known.get(sha256)) is not None:
        return found
    picture = source.read_verified(images.locations[row], sha256)
    return {"sha256": sha256, **vars(make_thumbnail(picture, side))}


def _known(seen: Path, side: int) -> _Known:
    """Return the rows that an earlier run kept, by hash; thumbnails of another size are none."""
    if not seen.exists():
        return _Known(None)
    try:
        table = read_table(seen)
    except UserError as error:
        print(f"{error}; all pictures are looked at anew", file=sys.stderr)
        return _Known(None)
    if (table.schema.metadata or {}).get(b"side") != str(side).encode():
        return _Known(None)
    return _Known(table)
