"""Killed three times at random moments, every stage ends with the bytes of an undisturbed run.

A moment is the n-th call of a function of clusterprobe in a job, so that one number repeats it: between two
steps, in the middle of a write, before the job has begun. KILL_SEED=N draws those of an earlier run again.
"""

from __future__ import annotations

import os
import random
import secrets
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from project import SIMCLR, Project, experiment, write_pictures

KILL_AT_A_CALL = """
import atexit, os, signal, sys

rule, _, number = os.environ.get("KILL_AT_CALL", "").partition(":")
calls = -1


def count(frame, event, argument):
    global calls
    if event != "call" or "/clusterprobe/" not in frame.f_code.co_filename:
        return
    if calls < 0 and frame.f_code.co_name == "job":
        state = sys.modules.get("clusterprobe.train.state")
        if state:  # a state after every step
            state.Checkpoint.save_if_due = state.Checkpoint.save
        calls = 0
    if calls >= 0:
        calls += 1
        if calls == int(number):
            os.killpg(0, signal.SIGKILL)


def tell():
    with open("calls.txt", "w") as handle:
        handle.write(str(calls))


if rule and sys.orig_argv[-1].endswith(f".{rule}.py"):
    sys.setprofile(count)
    atexit.register(tell)
"""

STAGES = {
    "training": ("train_encoder", "data/encoders/simclr-*/weights.safetensors", True),
    "extraction": ("extract_features", "data/features/simclr-*/*/train/00001-*.npy", False),
    "k-means": ("fit_kmeans", "data/clusterings/kmeans-2x-*/model.npz", True),
    "tables": ("make_table", "reports/tiny/tables/clustering.html", False),
}
"""The rule, one output of it, and whether a job goes on where a killed one has been."""

SCAN = SIMCLR | {
    "start": "simclr",
    "neighbours": {"k": 5},
    "objective": {"name": "scan", "options": {"entropy_weight": 5}},
    "head": {"kind": "linear", "count": 2},
    "augmentation": [{"name": "flip"}],
}
SELFLABEL = SIMCLR | {
    "start": "scan",
    "objective": {"name": "selflabel", "options": {"threshold": 0.2, "decay": 0.9, "patience": None}},
    "head": None,
    "augmentation": [{"name": "flip"}, {"name": "gaussian-noise"}],
}


def moments(calls: int, seed: int, *, goes_on: bool) -> list[int]:
    """Return three random calls at which to kill; a job that goes on begins to count anew each time."""
    drawn = sorted(random.Random(seed).sample(range(1, calls + 1), 3))
    return [later - earlier for earlier, later in pairwise([0, *drawn])] if goes_on else drawn


def kill_three_times(project: Project, rule: str, target: Path, *, goes_on: bool) -> None:
    """Force one job, kill it and all around it three times, and let the next run finish it."""
    (project.folder / "site").mkdir()
    (project.folder / "site" / "sitecustomize.py").write_text(KILL_AT_A_CALL)
    site = {"PYTHONPATH": f"{project.folder}/src:{project.folder}/site"}
    name = str(target.relative_to(project.folder))
    force = ["--forcerun", name, "--"]
    project.run(*force, name, KILL_AT_CALL=f"{rule}:0", **site)
    calls = int((project.folder / "calls.txt").read_text())
    seed = int(os.environ.get("KILL_SEED", secrets.randbelow(10**6)))
    print(f"KILL_SEED={seed}: {rule} makes {calls} calls")
    for moment in moments(calls, seed, goes_on=goes_on):
        print(f"killed at call {moment}")
        project.killed(*force, name, KILL_AT_CALL=f"{rule}:{moment}", **site)
        force = []
    went_on = project.run(name)
    assert "A run was killed here" in went_on.stderr
    assert not [path for path in project.folder.rglob("*") if "partial" in path.name]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_three_kills_change_no_byte(copied: Project, finished: Project, stage: str) -> None:
    rule, output, goes_on = STAGES[stage]
    kill_three_times(copied, rule, copied.one(output), goes_on=goes_on)
    copied.run()
    assert copied.hashes() == finished.hashes()
    assert copied.jobs() == {}


def _trained(folder: Path) -> Project:
    values = experiment(
        encoders={"simclr": SIMCLR, "scan": SCAN, "selflabel": SELFLABEL},
        seeds=1,
        clusterings=[{"method": name, "encoders": [name]} for name in ("scan", "selflabel")],
        report={"tables": ["clustering"], "figures": [], "galleries": []},
    )
    project = Project.create(folder, values)
    write_pictures(folder / "images")
    project.run(warm=True)
    return project


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["scan", "selflabel"])
def test_three_kills_of_a_later_training_change_no_byte(
    once: Callable[..., Project], tmp_path: Path, objective: str
) -> None:
    """One that goes on from another encoder."""
    undisturbed = once("trained", _trained)
    project = undisturbed.copy(tmp_path / "project")
    weights = project.one(f"data/encoders/{objective}-*/weights.safetensors")
    kill_three_times(project, "train_encoder", weights, goes_on=True)
    project.run()
    assert project.hashes() == undisturbed.hashes()
    assert project.jobs() == {}
