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
    print("working")
    import os; os.system("echo from a child")
    record["device"] = "cpu"
    if sys.argv[2] == "mistake":
        raise UserError("the file x is damaged: delete it")
    if sys.argv[2] == "bug":
        raise KeyError("oops")
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


@pytest.mark.parametrize("ending", ["mistake", "bug"])
def test_the_log_holds_the_traceback(tmp_path: Path, ending: str) -> None:
    assert _run(tmp_path / "x.log", ending).returncode == 1
    assert "Traceback" in (tmp_path / "x.log").read_text()
