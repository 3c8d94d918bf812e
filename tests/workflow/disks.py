"""Real disks that are full, read-only, over quota or gone: mounted for one test, which needs root for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

# Imported by every Python of a run: fills the disk just before a file of a certain name is written. The jobs
# notice nothing of it, their code and its digests stay as they are.
FILL_THE_DISK = """
import os, tempfile
from fnmatch import fnmatch

_make = tempfile.mkstemp


def mkstemp(suffix=None, prefix=None, dir=None, text=False):
    if fnmatch(prefix or "", "." + os.environ.get("FILL_BEFORE", "-") + "."):
        with open(os.environ["FILLER"], "ab", buffering=0) as handle:
            for size in (2**20, 4096, 1):
                try:
                    while True:
                        handle.write(bytes(size))
                except OSError:
                    pass
    return _make(suffix, prefix, dir, text)


tempfile.mkstemp = mkstemp
"""


class Mounts:
    """Mounts that end with the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Mounts:
        return self

    def __exit__(self, *failure: object) -> None:
        self._stack.close()

    def tmpfs(self, place: Path, megabytes: int) -> None:
        """A disk of its own at `place`, with what has been there before."""
        self._over(place, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs")

    def read_only(self, place: Path) -> None:
        """What is in a folder, to look at only."""
        self._mount(place, "--bind", str(place))
        self._mount(place, "-o", "remount,ro,bind", unmount=False)

    def bind(self, source: Path, place: Path) -> None:
        """Another folder in the place of this one."""
        self._mount(place, "--bind", str(source))

    def quota(self, place: Path, megabytes: int) -> None:
        """A disk at `place` with room for more than its quota allows; Btrfs keeps quotas for every user."""
        missing = [name for name in ("mkfs.btrfs", "btrfs") if not shutil.which(name)]
        if missing:
            pytest.skip(f"no quota here, missing: {', '.join(missing)} (make ci-deps installs it)")
        image = self._folder / "disk.img"
        with image.open("wb") as handle:
            handle.truncate(200 * 2**20)
        subprocess.run(["mkfs.btrfs", "--quiet", str(image)], check=True, capture_output=True)
        self._over(place, "-t", "btrfs", "-o", "loop", str(image))
        self.limit(place, megabytes)

    def limit(self, place: Path, megabytes: int) -> None:
        """Set the quota of a disk."""
        for command in (["quota", "enable"], ["qgroup", "limit", f"{megabytes}M"]):
            subprocess.run(["btrfs", *command, str(place)], check=True, capture_output=True)

    def _over(self, place: Path, *options: str) -> None:
        before = place.rename(place.with_name(f"{place.name}-before"))
        place.mkdir()
        self._mount(place, *options)
        subprocess.run(["cp", "-a", f"{before}/.", str(place)], check=True)
        shutil.rmtree(before)

    def _mount(self, place: Path, *options: str, unmount: bool = True) -> None:
        done = subprocess.run(["mount", *options, str(place)], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
        if unmount:
            self._stack.callback(subprocess.run, ["umount", "--lazy", str(place)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until its disk takes no more; return it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as handle:
        for size in (2**20, 4096, 1):
            try:
                while True:
                    handle.write(bytes(size))
            except OSError:
                os.sync()
    return filler
