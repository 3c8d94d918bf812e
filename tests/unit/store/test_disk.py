from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.disk import ROOM, advice, check_writable

LARGER_THAN_ALLOWED = """
import resource, sys
from pathlib import Path
from clusterprobe.store.atomic import write_bytes

resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_bytes(Path(sys.argv[1]), bytes(1001))
"""


def test_writable_folders_pass_and_nothing_is_written(tmp_path: Path) -> None:
    check_writable(tmp_path, tmp_path / "not" / "there")
    assert not list(tmp_path.iterdir())


def test_a_link_to_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").symlink_to(tmp_path / "scratch")
    with pytest.raises(UserError, match=r"/data: it points to .*/scratch, which is not there: mount"):
        check_writable(tmp_path, tmp_path / "data")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EDQUOT, "the disk quota is used up: free some space"),
        (errno.EROFS, "the file system is read-only: mount it writable"),
        (errno.EACCES, "permission denied: give the user"),
        (errno.ENODEV, "No such device"),
    ],
)
def test_a_disk_that_takes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, words: str
) -> None:
    def refuse(dir: Path) -> None:
        assert dir == tmp_path
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(UserError, match=f"cannot write to {tmp_path}/data: .*{words}"):
        check_writable(tmp_path / "data")


def test_a_disk_that_is_nearly_full_counts_as_full(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for free, full in ((ROOM - 1, True), (ROOM, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        with pytest.raises(UserError, match="the disk is full") if full else nullcontext():
            check_writable(tmp_path)


def test_a_file_larger_than_the_process_may_write_is_one_message(tmp_path: Path) -> None:
    """A real limit, set in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LARGER_THAN_ALLOWED, str(tmp_path / "x")], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].endswith("raise the limit (ulimit -f)")
    assert not list(tmp_path.iterdir())


def test_other_errors_get_no_advice() -> None:
    assert advice(FileNotFoundError(2, "No such file")) is None
    assert advice(OSError("without a number")) is None
