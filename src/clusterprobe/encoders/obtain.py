"""The file of a catalogue entry: downloaded, or taken from where a person put it; one file or several."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.fetch import fetch, fetch_pinned, known_hash, record_hash
from clusterprobe.store.atomic import atomic_path
from clusterprobe.store.hashing import sha256_file


def obtain(entry: Mapping[str, Any], destination: Path, lock: Path) -> str:
    """Put the checkpoint of an entry at `destination` and return its SHA-256.

    `entry` holds url, path, page, file, parts, origin, sha256, hash_prefix and pin as FileEncoder has them.
    Several parts, and the files of a folder, become one tar archive, the same bytes for the same files. The
    hash is pinned by the entry, or by `lock` under `origin` since the first time. Raises UserError as
    fetch.fetch does, with the page where a person can get the file if there is one.
    """
    place = entry["path"] or entry["url"]
    by_hand = f"get {entry['file'] or 'the file'} by hand from {entry['page']} and set `path` to it"
    if place is None:
        raise UserError(f"this checkpoint has no address of its own: {by_hand}")
    try:
        if entry["parts"] or Path(place).expanduser().is_dir():
            return _obtain_archive(entry, place, destination, lock)
        return fetch_pinned(
            place,
            entry["sha256"],
            destination,
            lock=lock,
            required=entry["pin"] == "required",
            name=entry["origin"],
            prefix=entry["hash_prefix"],
        )
    except UserError as error:
        if entry["page"] and not entry["path"]:
            raise UserError(f"{error}; or {by_hand}") from error
        raise


def _obtain_archive(entry: Mapping[str, Any], place: str, destination: Path, lock: Path) -> str:
    """Gather several files into one archive; its hash is pinned like that of a single file."""
    if entry["sha256"] is None and entry["pin"] == "required":
        raise UserError(f"{place} has no sha256 but `pin: required` asks for one: add it to the encoder")
    folder = Path(place).expanduser()
    if entry["parts"]:
        name = place.rpartition("/")[2]
        files = {
            name + part: destination.with_name(f"{destination.name}{number}")
            for number, part in enumerate(entry["parts"])
        }
        for part, path in zip(entry["parts"], files.values(), strict=True):
            fetch(place + part, None, path)
    else:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {str(path.relative_to(folder)): path for path in found}
    with atomic_path(destination) as temporary:
        _archive(files, temporary)
        seen = sha256_file(temporary)
        _check_hash(entry, lock, seen)
    if entry["parts"]:
        for path in files.values():
            path.unlink()
    return seen


def _archive(files: Mapping[str, Path], destination: Path) -> None:
    with tarfile.open(destination, "w", format=tarfile.GNU_FORMAT) as archive:
        for name, path in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as handle:
                archive.addfile(entry, handle)


def _check_hash(entry: Mapping[str, Any], lock: Path, seen: str) -> None:
    origin = entry["origin"]
    pinned = entry["sha256"] or known_hash(lock, origin)
    if pinned is None:
        record_hash(lock, origin, seen)
        print(f"{origin}: seen for the first time, the SHA-256 {seen} is now in {lock}", file=sys.stderr)
    elif pinned != seen:
        raise UserError(f"{origin}: the archive has SHA-256 {seen}, expected {pinned}: check the files")
