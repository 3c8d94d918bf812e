from __future__ import annotations

import pytest

from clusterprobe.store.scheduler import parse_time, seconds_left


@pytest.fixture
def slurm(monkeypatch, tmp_path):
    """Inside a Slurm job whose squeue gives a certain answer."""

    def answer(text: str, code: int = 0) -> None:
        squeue = tmp_path / "squeue"
        squeue.write_text(f'#!/bin/sh\ncase "$*" in *17*) echo "{text}"; exit {code};; esac\nexit 1\n')
        squeue.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.setenv("SLURM_JOB_ID", "17")

    return answer


def test_nothing_is_enforced_outside_of_slurm(monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert seconds_left(5) is None


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [("4:31", 271), ("1:00:00", 3600), ("2-03:00:05", 183605), ("UNLIMITED", None), ("INVALID", 300)],
)
def test_slurm_is_asked_how_long_the_job_may_run(slurm, answer, seconds):
    slurm(answer)
    assert seconds_left(5) == seconds


def test_without_an_answer_the_request_counts(slurm, monkeypatch):
    slurm("slurm_load_jobs error", 1)
    assert seconds_left(5) == 300
    monkeypatch.setenv("PATH", "/nonexistent")
    assert seconds_left(5) == 300


@pytest.mark.parametrize("text", ["", "5", "1:2:3:4", "a:b"])
def test_anything_else_is_no_time(text):
    assert parse_time(text) is None
