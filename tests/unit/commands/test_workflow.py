from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from clusterprobe.commands import workflow
from clusterprobe.commands.workflow import command, run, workflow_home
from clusterprobe.config.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[3]


def test_the_checkout_that_the_package_lies_in_is_the_home():
    assert workflow_home() == REPOSITORY


def test_a_workflow_that_is_nowhere_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(workflow, "__file__", str(tmp_path / "a/b/c/d.py"))
    monkeypatch.setattr(workflow.sysconfig, "get_path", lambda _: str(tmp_path / "prefix"))
    with pytest.raises(UserError, match="install clusterprobe again"):
        workflow_home()
    installed = tmp_path / "prefix" / "share" / "clusterprobe"
    (installed / "workflow").mkdir(parents=True)
    (installed / "Snakefile").touch()
    assert workflow_home() == installed


def test_everything_that_the_workflow_needs_travels_with_the_package():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    files = settings["tool"]["setuptools"]["data-files"]
    packed = {path for globs in files.values() for pattern in globs for path in REPOSITORY.glob(pattern)}
    needed = {REPOSITORY / "Snakefile", REPOSITORY / "config/encoders.yaml", REPOSITORY / "slurm/config.yaml"}
    for folder in ("workflow/rules", "workflow/scripts", "workflow/report", "profiles/default"):
        needed |= {path for path in (REPOSITORY / folder).iterdir() if path.is_file()}
    assert needed <= packed
    for folder, globs in files.items():
        inside = Path(folder).relative_to("share/clusterprobe")
        assert all(Path(pattern).parent == inside for pattern in globs), "as in a checkout"


def test_profiles_of_the_workflow_are_found_from_anywhere(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    call = command(tmp_path, tmp_path / "c.yaml", 3, ["--profile", "slurm", "--keep-going"])
    assert call[-3:] == ["--profile", str(REPOSITORY / "slurm"), "--keep-going"]
    assert call[call.index("--directory") + 1] == str(tmp_path)
    assert call[call.index("--cores") + 1] == "3"


def test_all_that_is_said_is_heard_and_kept(tmp_path):
    heard: list[str] = []
    code = "import sys; print('one'); print('two', file=sys.stderr); sys.exit(3)"
    assert run([sys.executable, "-u", "-c", code], tmp_path / "logs" / "log.txt", heard.append) == 3
    assert heard == ["one", "two"]
    assert (tmp_path / "logs" / "log.txt").read_text() == "one\ntwo\n"
