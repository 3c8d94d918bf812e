"""Mistakes of a person and files of a stranger: one readable message, at once, and nothing left behind."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from project import (
    EXPERIMENT,
    PREPROCESSING,
    SIMCLR,
    Project,
    experiment,
    job_counts,
    small_experiment,
    write_pictures,
)

PIXELS = EXPERIMENT["encoders"]["pixels"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with nothing to work on: it must stop before it misses that."""
    return Project.create(tmp_path_factory.mktemp("bare") / "project", experiment())


MISTAKES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "typo in a key": (
        {"neighbours": {"k": 5, "purity_att": [1]}},
        ("neighbours.purity_att", "unknown key", "[1]", "did you mean 'purity_at'?"),
    ),
    "typo in a nested key": (
        {"encoders": {"simclr": SIMCLR | {"optimiser": {"name": "adam", "learning_rat": 0.5}}}},
        ("encoders.simclr.optimiser.learning_rat", "0.5", "did you mean 'learning_rate'?"),
    ),
    "wrong type": (
        {"seeds": "many"},
        ("seeds", "'many'", "integer"),
    ),
    "wrong type deep down": (
        {"encoders": {"pixels": PIXELS | {"preprocessing": PREPROCESSING | {"size": "big"}}}},
        ("encoders.pixels.preprocessing.size", "'big'", "integer"),
    ),
    "wrong choice": (
        {"clusterings": [{"method": "kmaens"}]},
        ("clusterings.0.method", "'kmaens'", "did you mean 'kmeans'?"),
    ),
    "wrong kind": (
        {"datasets": {"pictures": {"kind": "foldr", "path": "images"}}},
        ("datasets.pictures", "foldr", "did you mean 'folder'?"),
    ),
    "unknown encoder": (
        {"clusterings": [{"method": "kmeans", "encoders": ["simclrr"]}]},
        ("clusterings.0.encoders", "'simclrr'", "did you mean 'simclr'?"),
    ),
    "unknown data set": (
        {"fit": ["picture"]},
        ("fit", "'picture'", "did you mean 'pictures'?"),
    ),
    "unknown entry of the catalogue": (
        {"datasets": {"digit": None}, "fit": ["digit"]},
        ("datasets.digit", "datasets.yaml", "did you mean 'digits'?"),
    ),
    "missing key": (
        {"fit": None},
        ("fit", "required"),
    ),
}


FAST = ("typo in a nested key", "missing key")
"""Of the others, tests/unit/config/test_loading.py has the messages; here they go through Snakemake."""


@pytest.mark.parametrize(
    "mistake",
    [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in MISTAKES],
)
def test_mistake_in_the_configuration_stops_at_once(bare: Project, mistake: str) -> None:
    changes, words = MISTAKES[mistake]
    name = bare.configure(experiment(**changes), "mistake")
    failed = bare.run("--configfile", name, ok=False)
    assert failed.code != 0
    assert not [word for word in words if word not in failed.stderr], failed.stderr
    assert "Traceback" not in failed.text
    assert "pydantic" not in failed.text
    shown = [line for line in failed.text.splitlines() if line.lstrip().startswith("File ")]
    assert all("workflow/rules/common.smk" in line for line in shown), failed.text  # Snakemake adds that one
    assert len(shown) < 2
    assert len(failed.stderr.strip().splitlines()) < 12, failed.stderr
    assert not (bare.folder / "data").exists()


def test_encoder_that_nothing_takes_is_named(tmp_path: Path) -> None:
    groups = [{"method": "kmeans", "encoders": ["pixels"]}]
    project = Project.create(tmp_path / "project", experiment(clusterings=groups))
    write_pictures(project.folder / "images", each=2)
    looked = project.run("--dry-run")
    assert looked.text.count("so that they are not made: encoders simclr\n") == 1
    assert "train_encoder" not in job_counts(looked.text)


def stopped(project: Project, rule: str, *arguments: str) -> str:
    """Run until a job of the rule fails; return the line with which it says why."""
    failed = project.run(*arguments, ok=False)
    assert failed.code != 0
    messages = [line for line in failed.stderr.splitlines() if line.startswith(f"{rule}: ")]
    assert len(messages) == 1, failed.text
    assert not [path for path in project.folder.glob("data/**/*") if "partial" in path.name]
    return messages[0]


def test_corrupt_picture_is_named(tmp_path: Path) -> None:
    values = small_experiment("bad", {"pictures": {"kind": "folder", "path": "images"}})
    project = Project.create(tmp_path / "project", values)
    write_pictures(project.folder / "images", each=6)
    bad = project.found("images/red/*.png")[0]
    bad.write_bytes(bad.read_bytes()[:60])
    said = stopped(project, "index_dataset", "--until", "index_dataset", "--cores", "1")
    assert str(bad) in said
    assert "on_bad_image: skip" in said
    assert not project.found("data/manifests/*/train.parquet") or not project.found("data/manifests/*/test.*")


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ({"kind": "parquet", "splits": {"train": "gone/train.parquet"}}, ("gone/train.parquet", "not exist")),
        ({"kind": "folder", "path": "nowhere"}, ("nowhere", "does not exist")),
        ({"kind": "folder", "path": "empty"}, ("empty", "no image")),
        ({"kind": "parquet", "splits": {"train": "Snakefile"}}, ("Snakefile", "not a readable parquet")),
    ],
    ids=["missing parquet file", "missing folder", "empty folder", "not parquet"],
)
def test_data_set_that_is_not_there_is_named(
    tmp_path: Path, definition: dict[str, Any], words: tuple[str, ...]
) -> None:
    project = Project.create(tmp_path / "project", small_experiment("bad", {"lost": definition}))
    (project.folder / "empty").mkdir()
    said = stopped(project, "index_dataset", "--cores", "1", "--until", "index_dataset")
    assert not [word for word in words if word not in said], said
    assert not project.found("data/manifests/**/*")


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def from_file(url: str, **keys: Any) -> dict[str, Any]:
    """A `file` encoder of a tiny network."""
    architecture = {"name": "small-convnet", "options": {"widths": [4, 6]}}
    encoder = {"kind": "file", "url": url, "architecture": architecture, "preprocessing": PREPROCESSING}
    return {"theirs": encoder | keys}


def project_with(folder: Path, encoders: dict[str, Any]) -> Project:
    pictures = {"pictures": {"kind": "folder", "path": "images"}}
    return Project.create(folder, small_experiment("theirs", pictures, encoders=encoders))


def write_weights(path: Path, widths: tuple[int, ...] = (4, 6)) -> str:
    """Write the state of the tiny network; return its hash."""
    from clusterprobe.encoders.architectures import build

    state = build("small-convnet", {"widths": widths}).network.state_dict()
    torch.save({"state_dict": state}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


CONVERT = ("--until", "convert_checkpoint")


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_checkpoint_with_code_is_refused_and_not_run(tmp_path: Path, writer: str) -> None:
    attack = {"state_dict": Attack(tmp_path / "attacked")}
    path = tmp_path / "evil.pth"
    if writer == "pickle":
        path.write_bytes(pickle.dumps(attack))
    else:
        torch.save(attack, path)
    project = project_with(tmp_path / "project", from_file(path.as_uri()))
    said = stopped(project, "convert_checkpoint", *CONVERT)
    assert "refused: contains code" in said
    assert "mkdir" in said
    assert not (tmp_path / "attacked").exists()
    assert not project.found("data/encoders/**/*")
    torch.load(path, weights_only=False) if writer == "torch" else pickle.loads(path.read_bytes())
    assert (tmp_path / "attacked").exists(), "the attack would have worked"


def test_checkpoint_with_another_hash_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    seen = write_weights(path)
    project = project_with(tmp_path / "project", from_file(str(path), sha256="0" * 64))
    said = stopped(project, "fetch_checkpoint", *CONVERT)
    assert seen in said
    assert "0" * 64 in said
    assert not project.found("data/checkpoints/**/*")


def test_checkpoint_that_changed_since_the_first_time_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    write_weights(path)
    project = project_with(tmp_path / "project", from_file(str(path)))
    project.run(*CONVERT)
    assert project.found("data/encoders/weights-*/weights.safetensors")
    write_weights(path)
    project.one("data/checkpoints/*.bin").unlink()
    said = stopped(project, "fetch_checkpoint", "--forcerun", "fetch_checkpoint", *CONVERT)
    assert "SHA-256" in said
    assert not project.found("data/checkpoints/*.bin")


def test_checkpoint_of_another_network_is_explained(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    right = write_weights(path, widths=(4, 8))
    project = project_with(tmp_path / "project", from_file(str(path), sha256=right))
    said = stopped(project, "convert_checkpoint", *CONVERT)
    assert "holds no small-convnet" in said
    assert "3.weight" in said
    assert not project.found("data/encoders/**/*")
