"""Whether a disk takes anything, and in words what to do when it does not."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from clusterprobe.config.errors import UserError

ROOM = 2**20
"""Bytes that have to be free before anything is begun: less is not even enough for the logs of a run."""

_LOST = "the disk does not answer: look whether it is still mounted, then run the same command again"
_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EFBIG: "the file is larger than this process may write: raise the limit (ulimit -f)",
    errno.EROFS: "the file system is read-only: mount it writable or move the project",
    errno.EACCES: "permission denied: give the user that runs the workflow access",
    errno.EIO: _LOST,
    errno.ESTALE: _LOST,
    errno.ENOTCONN: _LOST,
}


def advice(error: OSError) -> str | None:
    """Return what the disk refused and what to do about it; None for any other error."""
    return _ADVICE.get(error.errno or 0)


def check_writable(*folders: Path) -> None:
    """Raise UserError if nothing can be written below one of the folders, which need not exist.

    Nothing stays of the file without a name that tries it.
    """
    for folder in folders:
        if problem := _problem(folder):
            raise UserError(f"cannot write to {folder.absolute()}: {problem}")


def _problem(folder: Path) -> str | None:
    if folder.is_symlink() and not folder.exists():
        return f"it points to {folder.readlink()}, which is not there: mount that disk or make the folder"
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as handle:
            handle.write(bytes(4096))
    except OSError as error:
        return advice(error) or str(error)
    return _ADVICE[errno.ENOSPC] if shutil.disk_usage(there).free < ROOM else None
