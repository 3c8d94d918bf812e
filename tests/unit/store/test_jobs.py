from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from clusterprobe.store.atomic import read_json

PROGRAM = """
import sys
from types import SimpleNamespace
from clusterprobe.config.errors import UserError
from clusterprobe.store.jobs import job

snakemake = SimpleNamespace(
    log=[sys.argv[1]], rule="fit_kmeans", wildcards={"run": "kmeans-1"}, resources=SimpleNamespace()
)
with job(snakemake) as record:
    if "log" not in sys.argv[2]:
        print("working")
        import os; os.system("echo from a child")
    record["device"] = "cpu"
    if "mistake" in sys.argv[2]:
        raise UserError("the file x is damaged: delete it")
    if sys.argv[2] == "bug":
        raise KeyError("oops")
    if sys.argv[2] == "full disk":
        raise OSError(28, "No space left on device")
    if sys.argv[2] == "lost disk":
        raise OSError(116, "Stale file handle", "images/x.png")
"""


def _run(log: Path, ending: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(log), ending], capture_output=True, text=True, check=False
    )


def test_everything_printed_goes_to_the_log_and_the_record_lies_beside_it(tmp_path: Path) -> None:
    done = _run(tmp_path / "logs" / "x.log", "well")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = (tmp_path / "logs" / "x.log").read_text()
    assert "working" in text
    assert "from a child" in text
    record = read_json(tmp_path / "logs" / "x.provenance.json")
    assert record["rule"] == "fit_kmeans"
    assert record["wildcards"] == {"run": "kmeans-1"}
    assert record["device"] == "cpu"
    assert record["wall_seconds"] > 0
    assert record["peak_rss_mb"] > 1


def test_a_mistake_of_the_user_is_one_message(tmp_path: Path) -> None:
    done = _run(tmp_path / "x.log", "mistake")
    assert done.returncode == 1
    assert done.stderr.strip() == "fit_kmeans: the file x is damaged: delete it"
    assert not (tmp_path / "x.provenance.json").exists()


def test_the_log_of_a_mistake_ends_with_the_message_and_the_traceback_lies_beside_it(tmp_path: Path) -> None:
    """Snakemake shows the logs of failed jobs."""
    assert _run(tmp_path / "x.log", "mistake").returncode == 1
    log = (tmp_path / "x.log").read_text()
    assert "working" in log
    assert log.endswith("the file x is damaged: delete it\n")
    assert "Traceback" not in log
    assert "Traceback" in (tmp_path / "x.traceback").read_text()
    assert _run(tmp_path / "x.log", "well").returncode == 0
    assert not (tmp_path / "x.traceback").exists()


def test_the_log_of_a_bug_holds_its_traceback(tmp_path: Path) -> None:
    assert _run(tmp_path / "x.log", "bug").returncode == 1
    assert "KeyError: 'oops'" in (tmp_path / "x.log").read_text()


def test_a_log_that_takes_nothing_hides_no_message() -> None:
    done = _run(Path("/dev/full"), "mistake with a full log")
    assert done.returncode == 1
    assert done.stderr.strip() == "fit_kmeans: the file x is damaged: delete it"


@pytest.mark.parametrize("ending", ["full disk", "lost disk"])
def test_a_disk_that_refuses_outside_any_writer_is_one_message(tmp_path: Path, ending: str) -> None:
    done = _run(tmp_path / "x.log", ending)
    assert done.returncode == 1
    words = {
        "full disk": "fit_kmeans: the disk is full: free some space and run the same command again",
        "lost disk": "fit_kmeans: images/x.png: the disk does not answer: look whether it is still mounted",
    }
    assert done.stderr.strip().startswith(words[ending])
    assert len(done.stderr.strip().splitlines()) == 1
