"""Room for rows that only this process needs: a file without a name, which ends with the array."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import numpy as np

from clusterprobe.config.errors import UserError
from clusterprobe.store.disk import advice
from clusterprobe.store.rows import Float32

_CANNOT = (errno.EOPNOTSUPP, errno.EINVAL)  # of file systems that set no room aside


def scratch_rows(shape: tuple[int, ...], folder: Path | None = None) -> Float32:
    """Return zeros float32 of `shape` in a file of `folder`; None: where the system keeps temporary files.

    Raises UserError, which names the folder, if there is no room.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        _set_aside(file.fileno(), 4 * int(np.prod(shape)), folder)
        return np.memmap(file, np.float32, "w+", shape=shape)


def _set_aside(file: int, size: int, folder: Path | None) -> None:
    """Take the room at once: a full disk ends whoever writes to a sparse file in memory by SIGBUS."""
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno in _CANNOT:
            return
        place = folder or f"{tempfile.gettempdir()} (TMPDIR names another folder)"
        reason = advice(error) or error
        raise UserError(f"cannot set aside {size / 2**30:.1f} GiB in {place}: {reason}") from error
