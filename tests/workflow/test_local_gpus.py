"""GPUs of this machine: so many jobs at once as there are, each with its own. The GPUs are made up."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from project import Project, experiment, job_counts, small_experiment, write_pictures

# Inside the job of one shard: which devices it has, and from when to when.
NOTE_DEVICES = """
    import os, time
    since = time.time()
    time.sleep(1.5)
    with open("devices.txt", "a") as devices:
        print(os.environ.get("CUDA_VISIBLE_DEVICES"), since, time.time(), file=devices)
"""

# The devices are made up: what is asked to run on one runs on the CPU.
ON_THE_CPU = """

def choose_device(name: str) -> torch.device:
    return torch.device("cpu")
"""

# Each process says that it was there.
NOTE_RANK = """

_share_before = fit_share


def fit_share(**given: Any) -> int:
    Path(f"rank-{distributed.rank()}").touch()
    return _share_before(**given)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    datasets = {"pictures": {"kind": "folder", "path": "images", "shards": 2}}
    project = Project.create(tmp_path / "project", small_experiment("gpus", datasets))
    write_pictures(project.folder / "images")
    project.edit("workflow/scripts/extract_features.py", lambda text: text.rstrip("\n") + NOTE_DEVICES)
    return project


def test_every_job_has_a_gpu_of_its_own(project: Project) -> None:
    goal = ("--cores", "4", "--until", "extract_features")
    project.run(*goal, CUDA_VISIBLE_DEVICES="6,7")
    jobs = [line.split() for line in (project.folder / "devices.txt").read_text().splitlines()]
    assert len(jobs) == 4
    assert {device for device, *_ in jobs} == {"6", "7"}
    for device in ("6", "7"):
        times = sorted((float(since), float(until)) for own, since, until in jobs if own == device)
        assert all(before[1] <= after[0] for before, after in itertools.pairwise(times))
    assert project.jobs(*goal) == {}, "the machine is no reason to run again"


@pytest.mark.parametrize(
    ("devices", "compute", "extracting", "training", "arrays", "clusters"),
    [
        ("6,7", {}, 1, 1, 0, 0),
        ("6,7", {"gpus": 2}, 1, 2, 0, 0),
        ("6", {"gpus": 2}, 1, 1, 0, 0),
        ("", {"gpus": 2}, 0, 0, 0, 0),
        ("6", {"device": "cpu", "gpus": 1}, 0, 0, 0, 0),
        ("6,7", {"device": "cuda", "gpus": 2}, 1, 2, 1, 2),
        ("6", {"device": "cuda", "gpus": 2}, 1, 1, 1, 1),
    ],
)
def test_what_a_job_gets_follows_from_the_machine(
    devices: str,
    compute: dict[str, object],
    extracting: int,
    training: int,
    arrays: int,
    clusters: int,
    project: Project,
) -> None:
    """Components, clusters and neighbours get any only where they are asked for by name."""
    project.configure(experiment(compute={"memory_mb": 1000} | compute))
    said = project.run("--dry-run", CUDA_VISIBLE_DEVICES=devices).text
    expectations = {"extract_features": extracting, "train_encoder": training}
    expectations |= {"fit_pca": arrays, "mine_neighbours": arrays, "fit_kmeans": clusters}
    for rule, expected in expectations.items():
        asked = re.findall(rf"^rule {rule}:(?:\n .*)*\n    resources:.* gpu=(\d+)", said, re.MULTILINE)
        assert set(asked) == {str(expected)}, said


@pytest.mark.slow
def test_a_job_of_k_means_runs_in_a_process_for_each_gpu_and_goes_on_from_one(project: Project) -> None:
    project.edit("src/clusterprobe/features/device.py", lambda text: text + ON_THE_CPU)
    project.edit("src/clusterprobe/runs/kmeans_in_torch.py", lambda text: text + NOTE_RANK)
    goal = ("--until", "fit_kmeans")
    project.run(*goal, CUDA_VISIBLE_DEVICES="")
    model, seed = project.one("data/clusterings/*/model.npz"), project.one("data/clusterings/fits/*/*.state")
    alone, state = dict(np.load(model)), seed.read_bytes()

    def again() -> None:
        model.unlink()
        assert job_counts(project.run(*goal, CUDA_VISIBLE_DEVICES="6,7").text)["fit_kmeans"] == 1
        for rank in range(2):
            (project.folder / f"rank-{rank}").unlink()

    compute = {"memory_mb": 1000, "device": "cuda", "gpus": 2}
    datasets = {"pictures": {"kind": "folder", "path": "images", "shards": 2}}
    project.configure(small_experiment("gpus", datasets, compute=compute))
    again()
    assert seed.read_bytes() == state
    assert all((values == alone[name]).all() for name, values in np.load(model).items())

    seed.unlink()
    again()
    assert seed.exists()
    np.testing.assert_allclose(np.load(model)["inertia/0"], alone["inertia/0"], rtol=1e-5)
