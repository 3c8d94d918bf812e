"""Images inside tar archives, read where they lie: one file in place of a million."""

from __future__ import annotations

import os
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.images.decode import bad_image
from clusterprobe.images.folders import EXTENSIONS, as_text
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing, existing_path, known_classes


class TarSource(ImageSource):
    """Images of one archive; a location is `first byte+number of bytes`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reset()

    def __getstate__(self) -> Path:
        return self.path

    def __setstate__(self, state: Path) -> None:
        self.path = state
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._file: int | None = None

    def __del__(self) -> None:
        if self._file is not None:
            os.close(self._file)

    def fetch(self, location: str) -> bytes:
        first, _, size = location.partition("+")
        try:
            with self._lock:
                if self._file is None:
                    self._file = os.open(self.path, os.O_RDONLY)
            data = os.pread(self._file, int(size), int(first))
        except OSError as error:
            raise bad_image(self.name(location), f"cannot be read ({error.strerror})") from error
        if len(data) < int(size):
            raise bad_image(self.name(location), "lies beyond the end of the archive")
        return data

    def name(self, location: str) -> str:
        return f"{self.path}, bytes {location}"


def list_tar(definition: Mapping[str, Any]) -> ListedDataset:
    """List the archive of every split in `splits`: folders or archives in it, if there are any, are classes.

    Folders above all images do not count. Raises UserError for an archive that is compressed or damaged, or
    holds no image.
    """
    paths = {
        split: existing_path(path, f"tar archive of split {split!r}")
        for split, path in definition["splits"].items()
    }
    splits = {split: _list_one(path) for split, path in paths.items()}
    record = {"kind": "tar", "splits": {split: str(path) for split, path in paths.items()}}
    return ListedDataset(splits, tuple(sorted(known_classes(splits))), record)


def _list_one(path: Path) -> Listing:
    try:
        with tarfile.open(path, "r:") as archive:
            found = dict(_images(archive))
    except (tarfile.TarError, EOFError, OSError) as error:
        advice = "replace it, or unpack it if it is compressed"
        raise UserError(f"{path} is not a readable tar archive ({error}); {advice}") from error
    if not found:
        raise UserError(f"{path} holds no image; looked for {', '.join(sorted(EXTENSIONS))} at any depth")
    above = len(PurePosixPath(os.path.commonpath([PurePosixPath(name).parent for name in found])).parts)
    ids = {"/".join(PurePosixPath(name).parts[above:]): place for name, place in found.items()}
    names = [PurePosixPath(image).parts[0] if "/" in image else None for image in sorted(ids)]
    return Listing(TarSource(path), sorted(ids), [ids[image] for image in sorted(ids)], names)


def _images(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    """Yield name and location of the images of an archive, and of the archives in it, as they come."""
    for member in iter(archive.next, None):
        archive.members.clear()  # type: ignore[attr-defined]  # or else it remembers all members
        path = PurePosixPath(as_text(PurePosixPath(member.name.lstrip("/"))))
        if not member.isreg() or any(part.startswith(".") for part in path.parts):
            continue
        if path.suffix == ".tar":
            with tarfile.open(fileobj=archive.extractfile(member), mode="r:") as inner:
                for name, place in _images(inner):
                    first, _, size = place.partition("+")
                    yield str(path.with_suffix("") / name), f"{member.offset_data + int(first)}+{size}"
        elif path.suffix.lower() in EXTENSIONS:
            yield str(path), f"{member.offset_data}+{member.size}"
