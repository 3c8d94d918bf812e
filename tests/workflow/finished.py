"""Finished runs as fixtures, made once for all tests; whoever changes something works on a copy."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from project import EXPERIMENT, Project, experiment, write_pictures

Make = Callable[[Path], Project]
Once = Callable[[str, Make], Project]


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Make a project once for all processes of the test suite: the first that asks does it, others wait."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent

    def make_once(name: str, make: Make) -> Project:
        with (shared / f"{name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            folder, done = shared / name, shared / f"{name}.ok"
            if done.exists():
                return Project(folder)
            assert not folder.exists(), f"the run in {folder} failed in another test: look there"
            project = make(folder)
            done.touch()
            return project

    return make_once


def _finished(folder: Path) -> Project:
    project = Project.create(folder, experiment())
    write_pictures(folder / "images")
    project.run(warm=True)
    return project


def _unlabelled(folder: Path) -> Project:
    heap = {"kind": "folder", "path": "heap", "labelled": False, "on_bad_image": "skip"}
    values = experiment(
        name="unlabelled",
        datasets={"pictures": heap},
        encoders={"pixels": EXPERIMENT["encoders"]["pixels"]},
        clusterings=[{"method": "kmeans", "k": [3]}],
    )
    project = Project.create(folder, values)
    write_pictures(folder / "heap", each=12, classes=False)
    (folder / "heap" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    project.run(warm=True)
    return project


@pytest.fixture(scope="session")
def finished(once: Once) -> Project:
    """The tiny experiment, run to its end. Read only."""
    return once("finished", _finished)


@pytest.fixture(scope="session")
def unlabelled(once: Once) -> Project:
    """A plain folder of pictures without classes, one of them no picture, run to its end. Read only."""
    return once("unlabelled", _unlabelled)


@pytest.fixture
def copied(finished: Project, tmp_path: Path) -> Project:
    """A copy of the finished run: its own code, data and reports."""
    return finished.copy(tmp_path / "project")
