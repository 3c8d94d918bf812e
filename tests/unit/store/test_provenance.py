from __future__ import annotations

import subprocess
from pathlib import Path

from clusterprobe.store.provenance import git_state, versions


def test_versions_name_what_numbers_depend_on() -> None:
    found = versions()
    assert {"python", "torch", "numpy", "faiss-cpu", "clusterprobe"} <= set(found)
    assert "not installed" not in found.values()


def test_the_commit_and_whether_anything_changed_since(tmp_path: Path) -> None:
    assert git_state(tmp_path / "nowhere") == {"commit": None, "dirty": None}
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "new").touch()
    assert git_state(tmp_path)["dirty"] is True
    assert git_state(tmp_path, "new")["dirty"] is False
    assert git_state(tmp_path, "other")["dirty"] is True
