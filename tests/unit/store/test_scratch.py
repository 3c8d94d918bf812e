"""Room in a file without a name: it is really there, or a message says what to do."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.scratch import scratch_rows


def refusing(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "posix_fallocate", refuse)


def test_rows_begin_as_zeros_and_leave_no_file(tmp_path: Path) -> None:
    rows = scratch_rows((50, 3), tmp_path)
    assert rows.shape == (50, 3)
    assert rows.dtype == np.float32
    assert (rows == 0).all()
    rows[10:20] += 2
    assert rows.sum() == 60
    assert not list(tmp_path.iterdir())


def test_the_room_is_taken_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    taken: list[tuple[int, int]] = []
    allocate = os.posix_fallocate

    def record(file: int, start: int, size: int) -> None:
        allocate(file, start, size)
        taken.append((os.fstat(file).st_blocks * 512, size))

    monkeypatch.setattr(os, "posix_fallocate", record)
    scratch_rows((1024, 256), tmp_path)
    ((on_disk, size),) = taken
    assert on_disk >= size == 2**20


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full: free some space"), (errno.EIO, "does not"), (errno.ENODEV, "No such")],
)
def test_a_disk_without_room_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, words: str
) -> None:
    refusing(number, monkeypatch)
    with pytest.raises(UserError, match=f"1.0 GiB in {re.escape(str(tmp_path))}: .*{words}") as caught:
        scratch_rows((2**20, 256), tmp_path)
    assert "TMPDIR" not in str(caught.value)
    with pytest.raises(UserError, match=f"in {re.escape(tempfile.gettempdir())} .TMPDIR"):
        scratch_rows((4, 2))


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_that_cannot_set_room_aside_goes_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    refusing(number, monkeypatch)
    assert scratch_rows((4, 2), tmp_path).shape == (4, 2)
    monkeypatch.delattr(os, "posix_fallocate")
    assert scratch_rows((4, 2), tmp_path).shape == (4, 2)
