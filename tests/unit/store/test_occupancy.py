from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.occupancy import occupy, running_jobs

RUN = """
import subprocess, sys
from pathlib import Path
from clusterprobe.store.occupancy import occupy

state = Path(sys.argv[1])
occupancy = occupy(state)
(state / "locks").mkdir(exist_ok=True)
(state / "locks" / "0.input.lock").touch()
occupancy.sign(local=sys.argv[2] == "local")
print("at work", flush=True)
sys.stdin.read()
"""

PART = """
import sys
from pathlib import Path
from clusterprobe.store.occupancy import occupy

occupy(Path(sys.argv[1]))
"""


@contextmanager
def a_run(state: Path, kind: str = "local") -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own, until the end of the block; then it is killed and leaves its lock."""
    command = [sys.executable, "-c", RUN, str(state), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / ".snakemake"
    folder.mkdir()
    return folder


def test_a_second_run_is_told_of_the_first(state: Path) -> None:
    with a_run(state) as process:
        expected = rf"another run is at work .*process {process.pid} on {platform.node()}\): wait"
        with pytest.raises(UserError, match=expected):
            occupy(state)
        assert list((state / "locks").iterdir())


def test_the_lock_of_a_killed_run_is_removed(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with a_run(state) as process:
        pass
    occupy(state)
    assert f"A run was killed here (process {process.pid} on" in capsys.readouterr().err
    assert not (state / "locks").exists()


def test_the_lock_stays_while_a_job_of_the_killed_run_is_alive(state: Path) -> None:
    with a_run(state):
        pass
    script = state / "scripts" / "tmp1.train_encoder.py"
    script.parent.mkdir()
    script.write_text("import sys; print(1, flush=True); sys.stdin.read()")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stdout is not None
        job.stdout.readline()
        assert running_jobs(state) == [job.pid]
        with pytest.raises(UserError, match=rf"jobs are still at work \(processes {job.pid}\): wait"):
            occupy(state, patience=0)
        threading.Timer(0.5, job.kill).start()
        occupy(state)
    assert not (state / "locks").exists()


@pytest.mark.parametrize("why", ["scheduler", "other machine", "unknown run", "no ps"])
def test_the_lock_stays_where_nobody_knows_that_all_jobs_are_gone(
    state: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    with a_run(state, "scheduler" if why == "scheduler" else "local"):
        pass
    if why == "unknown run":
        (state / "run.json").write_text("half a reco")
    elif why == "other machine":
        record = json.loads((state / "run.json").read_text())
        (state / "run.json").write_text(json.dumps(record | {"host": "elsewhere"}))
    elif why == "no ps":
        monkeypatch.setenv("PATH", str(state))
    occupy(state)
    assert list((state / "locks").iterdir())
    assert "Its jobs may still be alive" in capsys.readouterr().err


def test_a_part_of_a_run_may_enter_its_folder(state: Path) -> None:
    """The report is made by a process that the run starts."""
    occupy(state).sign(local=True)
    subprocess.run([sys.executable, "-c", PART, str(state)], check=True)
    assert json.loads((state / "run.json").read_text())["process"] == os.getpid()


def test_a_clean_end_leaves_nothing_to_say(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    occupy(state).sign(local=True)
    occupy(state)
    assert capsys.readouterr().err == ""
