"""Killed at any moment, the workflow goes on where it was and ends with the same bytes; damage is named.

Code is slowed down in copies of the project, so that there is a moment to kill: what it computes stays.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from project import EXPERIMENT, SIMCLR, Project, experiment, kill_group, write_pictures

WAIT = """

def _wait_while_held():
    import os, time

    for _ in range(600):
        if os.path.exists("held"):
            time.sleep(0.1)
"""

HELD_TRAINING = f"""{WAIT}

_step_before = _Run.step


def _held_step(self, batch):
    _step_before(self, batch)
    with open("steps.txt", "a") as handle:
        handle.write(f"{{self.recipe.seed}} {{batch.epoch}} {{batch.step}}\\n")
    if (batch.epoch, batch.step) == (0, 1):
        _wait_while_held()


_Run.step = _held_step
"""

HELD_FIT = f"""{WAIT}

_fit_before = fit_kmeans


def fit_kmeans(rows, k, seed, **options):
    model = _fit_before(rows, k, seed, **options)
    with open("fits.txt", "a") as handle:
        handle.write(f"{{rows.space}} {{rows.shape}} {{k}} {{seed}}\\n")
    if seed == 1:
        _wait_while_held()
    return model
"""

HELD_TABLE = f"""{WAIT}

_write_before = write_text


def write_text(path, text):
    if path.suffix == ".html":
        _wait_while_held()
    _write_before(path, text)
"""

EVERY_STEP = {f"{seed} {epoch} {step}": 1 for seed in (0, 1) for epoch in (0, 1) for step in (0, 1)}
"""Of the tiny experiment: two seeds, two epochs of 69 images in whole batches of 32."""


def hold_training(project: Project) -> None:
    """Save the state after every step, and stand still between the second step and its state."""
    project.edit("src/clusterprobe/train/loop.py", lambda text: text + HELD_TRAINING)
    project.edit(
        "src/clusterprobe/train/state.py",
        lambda text: text.replace("every_seconds: float = 60.0", "every_seconds: float = 0.0"),
    )
    (project.folder / "held").touch()


def lines(project: Project, name: str) -> Counter[str]:
    path = project.folder / name
    return Counter(path.read_text().splitlines() if path.exists() else [])


def go_on(project: Project, *targets: str) -> None:
    """Do what a person does after a crash: run again. The lock of the killed run is no obstacle."""
    (project.folder / "held").unlink()
    assert "A run was killed here" in project.run(*targets, warm=not targets).stderr


def test_killed_training_goes_on_and_ends_with_the_same_bytes(copied: Project, finished: Project) -> None:
    hold_training(copied)
    with copied.running() as process:
        copied.wait_for(lambda: lines(copied, "steps.txt").total() == 4, process)
        kill_group(process)
    assert len(copied.found("data/training/*/state")) == 2
    assert not [path for path in copied.found("data/encoders/simclr-*/*") if is_new(path, finished, copied)]

    go_on(copied)
    repeated = {"0 0 1": 2, "1 0 1": 2}
    assert lines(copied, "steps.txt") == EVERY_STEP | repeated, "only the step without a state is repeated"
    assert copied.hashes() == finished.hashes()
    assert copied.jobs() == {}
    assert not copied.found("data/training/*/state")


def test_killed_training_goes_on_though_its_licence_was_corrected(copied: Project) -> None:
    hold_training(copied)
    training = ("--until", "train_encoder")
    with copied.running(*training) as process:
        copied.wait_for(lambda: lines(copied, "steps.txt").total() == 4, process)
        kill_group(process)
    encoders = EXPERIMENT["encoders"] | {"simclr": SIMCLR | {"seen": "labels", "licence": "MIT"}}
    copied.configure(experiment(encoders=encoders))
    go_on(copied, *training)
    assert lines(copied, "steps.txt") == EVERY_STEP | {"0 0 1": 2, "1 0 1": 2}


def is_new(path: Path, finished: Project, copied: Project) -> bool:
    old = finished.folder / path.relative_to(copied.folder)
    return path.stat().st_mtime_ns != old.stat().st_mtime_ns


def one_training(project: Project) -> str:
    """Return the weights of one trained encoder, as a target."""
    return str(project.one("data/encoders/simclr-*/weights.safetensors").relative_to(project.folder))


def test_state_of_other_code_is_not_taken_up(copied: Project, finished: Project) -> None:
    encoder = one_training(copied)
    hold_training(copied)
    with copied.running(encoder) as process:
        copied.wait_for(lambda: lines(copied, "steps.txt").total() == 2, process)
        kill_group(process)
    copied.edit("src/clusterprobe/objectives/simclr.py", lambda text: text + "\n\nUNUSED = 1\n")
    go_on(copied, encoder)
    assert sorted(lines(copied, "steps.txt").values()) == [1, 1, 2, 2], "all steps of one training once more"
    [log] = [path for path in copied.found("data/logs/train_encoder/*.log") if is_new(path, finished, copied)]
    assert "belongs to other code, configuration or input; starting afresh" in log.read_text()
    assert copied.hashes() == finished.hashes()


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="Ctrl-C", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, id="SIGTERM"),
    ],
)
def test_training_asked_to_stop_saves_its_state_and_unlocks(copied: Project, number: int) -> None:
    """As a terminal or a batch system asks: the whole process group at once."""
    encoder = one_training(copied)
    hold_training(copied)
    with copied.running(encoder) as process:
        copied.wait_for(lambda: lines(copied, "steps.txt").total() == 2, process)
        os.killpg(process.pid, number)
        (copied.folder / "held").unlink()
        try:
            code = process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            pytest.fail(f"did not stop: {(copied.folder / 'running.txt').read_text()}")
    assert code != 0
    assert lines(copied, "steps.txt").total() == 2
    assert copied.found("data/training/*/state")
    copied.run(encoder)
    assert sorted(lines(copied, "steps.txt").values()) == [1] * 4, "no step twice: each has left its state"


def test_one_run_at_a_time_and_none_beside_the_jobs_of_a_killed_one(copied: Project) -> None:
    encoder = one_training(copied)
    hold_training(copied)
    locks = copied.folder / ".snakemake/locks"
    with copied.running(encoder) as process:
        copied.wait_for(lambda: lines(copied, "steps.txt").total() == 2, process)
        alive = f"another run is at work in this folder (process {process.pid} on {platform.node()}): wait"
        for arguments in ([], ["--unlock"]):
            second = copied.run(*arguments, ok=False)
            assert second.code != 0
            assert second.text.count(alive) == 1
            assert "Traceback" not in second.text
            assert len(list(locks.iterdir())) == 2
        assert copied.jobs(encoder)["train_encoder"] == 1, "looking is allowed"

        process.kill()
        process.wait()
        orphaned = copied.run(encoder, ok=False)
        assert orphaned.code != 0
        assert "a run was killed in this folder, but its jobs are still at work (processes" in orphaned.text
        assert len(list(locks.iterdir())) == 2
        kill_group(process)
    go_on(copied, encoder)
    assert not locks.exists()


def test_killed_fit_loads_the_seeds_that_were_finished(copied: Project, finished: Project) -> None:
    model = str(copied.one("data/clusterings/kmeans-2x-*/model.npz").relative_to(copied.folder))
    copied.edit("src/clusterprobe/cluster/kmeans.py", lambda text: text + HELD_FIT)
    (copied.folder / "held").touch()
    with copied.running(model) as process:
        copied.wait_for(lambda: lines(copied, "fits.txt").total() == 2, process)
        kill_group(process)
    go_on(copied, model)
    fits = lines(copied, "fits.txt")
    assert {fit.split()[-1]: count for fit, count in fits.items()} == {"0": 1, "1": 2}, "seed 0 was loaded"
    assert copied.hashes("data/clusterings") == finished.hashes("data/clusterings")


def test_killed_table_is_made_anew(copied: Project, finished: Project) -> None:
    for path in copied.found("reports/tiny/tables/*"):
        path.unlink()
    copied.edit("src/clusterprobe/report/table_formats.py", lambda text: text + HELD_TABLE)
    (copied.folder / "held").touch()
    with copied.running() as process:
        copied.wait_for(lambda: len(copied.found("reports/tiny/tables/*.tex")) == 2, process)
        kill_group(process)
    assert len(copied.found("reports/tiny/tables/*")) == 2
    go_on(copied)
    assert copied.hashes() == finished.hashes()


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_values(path: Path) -> None:
    """Change one bit of the largest array of an NPZ file: other bytes of the file may mean nothing."""
    with zipfile.ZipFile(path) as archive:
        largest = max(archive.infolist(), key=lambda member: member.file_size)
    content = bytearray(path.read_bytes())
    content[largest.header_offset + largest.file_size // 2 + len(largest.FileHeader())] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    """Take away the second half of a file."""
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {
    "shard": ("data/features/*/*/train/00001-*.npy", flip, "fit_pca", "data/pca/*/*.npz"),
    "record of a shard": ("data/features/*/*/train/00001-*.json", cut, "fit_pca", "data/pca/*/*.npz"),
    "weights": ("data/encoders/*/weights.safetensors", cut, "extract_features", "data/features/*/*/*/*.npy"),
    "manifest": ("data/manifests/*/*.parquet", cut, "extract_features", "data/features/*/*/*/*.npy"),
    "components": ("data/pca/*/*.npz", flip_values, "fit_kmeans", "data/clusterings/*/model.npz"),
    "model": ("data/clusterings/*/model.npz", flip_values, "evaluate_clustering", "data/results/kmeans-*"),
    "assignments": ("data/clusterings/*/*.parquet", flip, "evaluate_clustering", "data/results/kmeans-*"),
    "run": ("data/results/*.parquet", flip, "collect_results", "reports/tiny/results.parquet"),
    "results, for a table": ("reports/tiny/results.parquet", cut, "make_table", "reports/tiny/tables/*.tex"),
    "results, for a figure": ("reports/tiny/results.parquet", flip, "draw_figure", "reports/*/*/k-sweep.pdf"),
    "results, for the page": ("reports/tiny/results.parquet", cut, "write_overview", "reports/*/cost.html"),
}
"""What is damaged (all files of a pattern), how, which rule reads it, and one output of that rule."""


READ_ALIKE = ("results, for a figure", "results, for the page")
"""What is read by the function that reads the same file for a table."""


@pytest.mark.parametrize(
    "what",
    [pytest.param(what, marks=pytest.mark.slow) if what in READ_ALIKE else what for what in DAMAGE],
)
def test_next_job_names_the_damaged_file(copied: Project, what: str) -> None:
    pattern, damage, rule, output = DAMAGE[what]
    damaged = copied.found(pattern)
    for path in damaged:
        times = path.stat()
        damage(path)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    target = copied.one(output)
    before = target.read_bytes()
    failed = copied.run("--forcerun", str(target.relative_to(copied.folder)), ok=False)
    assert failed.code != 0
    messages = [line for line in failed.text.splitlines() if line.startswith(f"{rule}: ")]
    names = [str(path.relative_to(copied.folder)) for path in damaged]
    assert any(name in line for line in messages for name in names), failed.text
    assert not target.exists() or target.read_bytes() == before


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
