"""A Slurm of our own and projects to send through it; without the programs these tests are skipped."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, missing_programs
from project import REPOSITORY, Project, write_pictures
from submitted import Submitted


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running Slurm of two nodes; skips without the programs, or fails where they have to be there."""
    missing = missing_programs() + ([] if os.geteuid() == 0 else ["root"])
    if missing:
        reason = f"no throw-away Slurm here, missing: {', '.join(missing)} (make ci-deps installs it)"
        pytest.fail(reason) if os.environ.get("REQUIRE_SLURM") == "1" else pytest.skip(reason)
    with Cluster(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture
def submit(cluster: Cluster, tmp_path: Path) -> Callable[[Mapping[str, Any] | None], Submitted]:
    """Experiment -> a project of it; None is the default experiment of the repository."""

    def create(values: Mapping[str, Any] | None) -> Submitted:
        project = Project.create(tmp_path / "project", values)
        shutil.copytree(REPOSITORY / "slurm", project.folder / "slurm")
        write_pictures(project.folder / "images")
        return Submitted(project, cluster)

    return create


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything that needs the cluster carries the mark."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slurm)
