"""Files appear whole or not at all: write beside, flush to disk, rename."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError
from clusterprobe.store.disk import advice


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it becomes `path`, on failure it is removed.

    What a killed writer of the same path has left is removed, too; of two that live the last one wins. Raises
    UserError when the disk is full, read-only or over quota: nothing half-written stays.
    """
    path = Path(path)
    temporary: Path | None = None
    handle: int | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left(path)
        handle, temporary = _create_beside(path)
        temporary.chmod(0o666 & ~_umask())
        yield temporary
        _flush(temporary)
        temporary.replace(path)
    except OSError as error:
        if reason := advice(error):
            raise UserError(f"cannot write {path}: {reason}") from error
        raise
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        if handle is not None:
            os.close(handle)


def _create_beside(path: Path) -> tuple[int, Path]:
    """Make a temporary file and hold its lock, by which others see that its writer lives."""
    while True:
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f".{path.name}.", suffix=f".partial{path.suffix}"
        )
        with suppress(OSError):  # where the file system has no locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        if Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # it was taken for one that is left, before it was locked


def _remove_left(path: Path) -> None:
    """Remove temporary files whose lock nobody holds."""
    for left in path.parent.glob(f".{escape(path.name)}.*.partial{escape(path.suffix)}"):
        with suppress(OSError):
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()
            finally:
                os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: object) -> None:
    """Write `value` as sorted, indented JSON, atomically and with the same bytes for equal values."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file; raises UserError that names a damaged file."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is damaged ({error}): delete it and run again to have it made anew"
        ) from error


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _flush(path: Path) -> None:
    with path.open("rb") as handle:
        os.fsync(handle.fileno())
