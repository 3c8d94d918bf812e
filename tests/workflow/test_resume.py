"""Killed at any moment, the workflow goes on where it was and ends with the same bytes; damage is named.

Code is slowed down in copies of the project, so that there is a moment to kill: what it computes stays.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import pytest
from project import EXPERIMENT, Project, experiment, kill_group, write_pictures

SLOW_TRAINING = """

import os as _os
import time as _time

_step_before = _Run.step


def _slow_step(self, batch):
    _step_before(self, batch)
    with open("steps.txt", "a") as handle:
        handle.write(f"{self.recipe.seed} {batch.epoch} {batch.step}\\n")
    _time.sleep(0.3 if _os.path.exists("slow") else 0)


_Run.step = _slow_step
"""

SLOW_FIT = """

import os as _os
import time as _time

_fit_before = fit_kmeans


def fit_kmeans(rows, k, seed, **options):
    model = _fit_before(rows, k, seed, **options)
    with open("fits.txt", "a") as handle:
        handle.write(f"{rows.space} {rows.shape} {k} {seed}\\n")
    _time.sleep(0.7 if _os.path.exists("slow") else 0)
    return model
"""

SLOW_WRITING = """

import os as _os
import time as _time

_write_before = write_text


def write_text(path, text):
    _time.sleep(0.7 if _os.path.exists("slow") else 0)
    _write_before(path, text)
"""

STEPS = {f"{seed} {epoch} {step}" for seed in (0, 1) for epoch in (0, 1) for step in (0, 1)}
"""Of the tiny experiment: two seeds, two epochs of 69 images in whole batches of 32."""


def slow_training(project: Project) -> None:
    """Save the state after every step, and take a while between steps as long as there is a file `slow`."""
    project.edit("src/clusterprobe/train/loop.py", lambda text: text + SLOW_TRAINING)
    project.edit(
        "src/clusterprobe/train/state.py",
        lambda text: text.replace("every_seconds: float = 60.0", "every_seconds: float = 0.0"),
    )
    (project.folder / "slow").touch()


def lines(project: Project, name: str) -> Counter[str]:
    path = project.folder / name
    return Counter(path.read_text().splitlines() if path.exists() else [])


def go_on(project: Project, *targets: str) -> None:
    """Do what a person does after a crash: unlock, run again."""
    (project.folder / "slow").unlink()
    project.run("--unlock")
    project.run(*targets)
    partial = [path for path in project.folder.glob("data/**/*") if ".partial" in path.name]
    assert not partial or all(path.stat().st_mtime < time.time() for path in partial)


def test_killed_training_goes_on_and_ends_with_the_same_bytes(copied: Project, finished: Project) -> None:
    slow_training(copied)
    with copied.running() as process:
        copied.wait_for(lambda: len(copied.found("data/training/*/state")) == 2, process)
        kill_group(process)
    before = lines(copied, "steps.txt")
    assert 2 <= before.total() < 8, "killed too late"
    assert not [path for path in copied.found("data/encoders/simclr-*/*") if is_new(path, finished, copied)]

    go_on(copied)
    steps = lines(copied, "steps.txt")
    assert set(steps) == STEPS
    assert steps.total() <= 8 + 2, f"each of two trainings may repeat one step: {steps}"
    assert copied.hashes() == finished.hashes()
    assert copied.jobs() == {}
    assert not copied.found("data/training/*/state")


def is_new(path: Path, finished: Project, copied: Project) -> bool:
    old = finished.folder / path.relative_to(copied.folder)
    return path.stat().st_mtime_ns != old.stat().st_mtime_ns


def test_state_of_other_code_is_not_taken_up(copied: Project, finished: Project) -> None:
    encoder = str(copied.one("data/encoders/simclr-*/weights.safetensors").relative_to(copied.folder))
    slow_training(copied)
    with copied.running(encoder) as process:
        copied.wait_for(lambda: copied.found("data/training/*/state"), process)
        kill_group(process)
    copied.edit("src/clusterprobe/objectives/simclr.py", lambda text: text + "\n\nUNUSED = 1\n")
    before = lines(copied, "steps.txt").total()
    go_on(copied, encoder)
    assert lines(copied, "steps.txt").total() == before + 4, "all steps of one training once more"
    [log] = [path for path in copied.found("data/logs/train_encoder/*.log") if is_new(path, finished, copied)]
    assert "belongs to other code, configuration or input; starting afresh" in log.read_text()
    assert copied.hashes() == finished.hashes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_asked_to_stop_training_saves_its_state_and_unlocks(copied: Project, number: int) -> None:
    """As a terminal or a batch system asks: the whole process group at once."""
    encoder = copied.one("data/encoders/simclr-*/weights.safetensors")
    name = str(encoder.relative_to(copied.folder))
    slow_training(copied)
    with copied.running(name) as process:
        copied.wait_for(lambda: copied.found("data/training/*/state"), process)
        os.killpg(process.pid, number)
        try:
            code = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not stop: {(copied.folder / 'running.txt').read_text()}")
    assert code != 0
    done = lines(copied, "steps.txt")
    assert 1 <= done.total() < 4, "stopped too late"
    assert copied.found("data/training/*/state")
    (copied.folder / "slow").unlink()
    copied.run(name)
    assert lines(copied, "steps.txt").total() == 4, "no step twice: the state was saved after the last one"
    assert encoder.exists()


def test_killed_fit_loads_the_seeds_that_were_finished(copied: Project, finished: Project) -> None:
    model = "data/clusterings/{}/model.npz".format(
        next(path.parent.name for path in copied.found("data/clusterings/kmeans-2x-*/model.npz"))
    )
    copied.edit("src/clusterprobe/cluster/kmeans.py", lambda text: text + SLOW_FIT)
    (copied.folder / "slow").touch()
    with copied.running(model) as process:
        copied.wait_for(lambda: lines(copied, "fits.txt").total() == 2, process)
        kill_group(process)
    go_on(copied, model)
    fits = lines(copied, "fits.txt")
    assert len(fits) == 2
    assert fits.total() == 3, "the first seed was loaded, the second one fitted again"
    assert copied.hashes("data/clusterings") == finished.hashes("data/clusterings")


def test_killed_table_is_made_anew(copied: Project, finished: Project) -> None:
    folder = copied.folder / "reports/tiny/tables"
    for path in folder.iterdir():
        path.unlink()
    copied.edit("src/clusterprobe/report/table_formats.py", lambda text: text + SLOW_WRITING)
    (copied.folder / "slow").touch()
    with copied.running() as process:
        copied.wait_for(lambda: copied.found("reports/tiny/tables/*"), process)
        kill_group(process)
    assert len(copied.found("reports/tiny/tables/*")) < 6, "killed too late"
    go_on(copied)
    assert copied.hashes() == finished.hashes()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Take away the second half of a file."""
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "shard": ("data/features/pixels-*/*/train/00001-*.npy", flip, "fit_pca"),
    "record of a shard": ("data/features/pixels-*/*/train/00001-*.json", cut, "fit_pca"),
    "weights": ("data/encoders/simclr-*/weights.safetensors", cut, "extract_features"),
    "manifest": ("data/manifests/*/train.parquet", cut, "extract_features"),
    "components": ("data/pca/simclr-*/*.npz", flip, "fit_kmeans"),
    "model": ("data/clusterings/*/model.npz", flip, "evaluate_clustering"),
    "assignments": ("data/clusterings/*/assignments.parquet", flip, "evaluate_clustering"),
    "results of a run": ("data/results/kmeans-*.parquet", flip, "collect_results"),
    "results": ("reports/tiny/results.parquet", cut, "write_overview"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_next_job_names_the_damaged_file(copied: Project, what: str) -> None:
    pattern, damage, rule = DAMAGE[what]
    file = copied.one(pattern)
    times = file.stat()
    damage(file)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    failed = copied.run("--forcerun", rule, "--until", rule, "--keep-going", ok=False)
    assert failed.code != 0
    name = str(file.relative_to(copied.folder))
    messages = [line for line in failed.text.splitlines() if line.startswith(f"{rule}: ")]
    assert any(name in line for line in messages), failed.text


def test_changed_picture_is_noticed_before_it_is_used(tmp_path: Path) -> None:
    """One that was overwritten in place, under its old name and in its old folder."""
    values = experiment(encoders={"pixels": EXPERIMENT["encoders"]["pixels"]}, seeds=1)
    values["clusterings"] = [{"method": "kmeans"}]
    project = Project.create(tmp_path / "project", values)
    write_pictures(project.folder / "images", each=5)
    project.run("--until", "index_dataset")
    first, *_, last = project.found("images/*/*.png")
    last.write_bytes(first.read_bytes())
    failed = project.run("--until", "extract_features", ok=False)
    assert failed.code != 0
    assert f"{last.name}" in failed.text
    assert "changed since it was indexed" in failed.text
