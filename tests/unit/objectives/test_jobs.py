"""Jobs that go on from one another, as commands; and by two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clusterprobe.train.__main__ import main

IMAGES = 33


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("jobs")
    random = np.random.default_rng(0)
    np.save(folder / "images.npy", random.integers(0, 256, (IMAGES, 1, 8, 8), dtype=np.uint8))
    np.save(folder / "neighbours.npy", random.integers(0, IMAGES, (IMAGES, 4)))
    np.save(folder / "labels.npy", random.integers(0, 3, IMAGES))
    np.save(folder / "pseudo-labels.npy", random.integers(0, 3, (IMAGES, 2)))
    return folder


ALTERNATING: dict[str, dict[str, Any]] = {
    "nat": {"rotation": "steps", "optimisers": 2},
    "mmdc": {"sigma": 0.1, "views": 2},
    "mmdc-refined": {"rotation": "epochs", "idle_head": "coasting", "refine_from": 2},
}

CONTRASTIVE: dict[str, dict[str, Any]] = {
    "npid": {"looks": 2},
    "npid-nce": {"loss": "nce", "negatives": 7},
    "moco": {"queue": 22, "norm_groups": 2, "momentum": 0.9},
    "moco-jigsaw": {"queue": 9, "jigsaw": 0.5, "momentum": 0.9},
    "byol": {"hidden": 6, "momentum": 0.9},
    "cld-npid": {"groups": 4, "base": {"name": "npid"}},
    "cld-moco": {
        "groups": 3,
        "base": {"name": "moco", "options": {"queue": 22, "momentum": 0.9}},
        "centres": "means",
        "attached": True,
        "empty": "zero",
    },
}

Jobs = Callable[[str], dict[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def jobs(folder: Path) -> Jobs:
    """Name of a folder for all destinations -> SCAN, self-labelling that goes on from it, and others."""

    def describe(where: str) -> dict[str, dict[str, Any]]:
        common: dict[str, Any] = {
            "images": str(folder / "images.npy"),
            "architecture": {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8]}},
            "preprocessing": {"size": 8, "mean": [0.5], "std": [0.25]},
            "augmentation": [{"name": "strong"}, {"name": "gaussian-noise", "sigma": 0.1}],
            "optimiser": {"name": "sgd", "learning_rate": 0.05},
            "epochs": 2,
            "batch_size": 15,  # does not divide into two equal shares
            "seed": 4,
            "device": "cpu",
        }
        heads = {"kind": "linear", "options": {"dimensions": 3}}
        own: dict[str, dict[str, Any]] = {
            "scan": {"head": heads | {"count": 3}, "arrays": {"neighbours": str(folder / "neighbours.npy")}},
            "selflabel": {"head": None, "start": str(folder / where / "scan" / "network.pt")},
            "supervised": {"head": heads, "arrays": {"labels": str(folder / "labels.npy")}},
            "rotation": {"head": {"kind": "linear", "options": {"dimensions": 4}}},
            "sela": {"head": heads | {"count": 2}},
            "sela-train-mode": {"head": heads},
            "relabelled": {
                "head": heads | {"count": 2},
                "arrays": {"pseudo_labels": str(folder / "pseudo-labels.npy")},
            },
        }
        own["sela"]["objective"] = {
            "name": "sela",
            "options": {"relabellings": 3, "looks": 2, "exact": True, "further_heads": [4]},
        }
        own["sela-train-mode"]["objective"] = {"name": "sela", "options": {"labelling": "train-mode"}}
        for name, options in ALTERNATING.items():
            kind = "linear" if name == "nat" else "nearest-mean"
            own[name] = {
                "objective": {"name": name.partition("-")[0], "options": options},
                "head": {"kind": kind, "options": {"dimensions": 3}},
                "augmentation": {"train": [{"name": "gaussian-noise"}], "rotation": []},
                "epochs": 4,
            }
        for name, options in CONTRASTIVE.items():
            own[name] = {
                "objective": {"name": name.partition("-")[0], "options": options},
                "head": {
                    "kind": "mlp" if name == "byol" else "norm-mlp",
                    "options": {"dimensions": 3},
                    "count": 1 + ("cld" in name),
                },
                "augmentation": {"train": [{"name": "gaussian-noise", "sigma": 0.1}], "jigsaw": []},
            }
        own["deepcluster"] = {"head": heads}
        own["relabelled"]["objective"] = {"name": "relabelled", "options": {"rotation": 1.0}}
        own["selflabel"]["objective"] = {"name": "selflabel", "options": {"threshold": 0.36, "decay": 0.5}}
        return {
            name: common | {"objective": {"name": name}, "destination": str(folder / where / name)} | each
            for name, each in own.items()
        }

    return describe


def write(job: dict[str, Any], folder: Path) -> str:
    path = folder / f"{Path(job['destination']).parent.name}-{Path(job['destination']).name}.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return str(path)


def result(job: dict[str, Any]) -> dict[str, Any]:
    saved: dict[str, Any] = torch.load(Path(job["destination"]) / "network.pt", weights_only=True)
    return saved


@pytest.fixture(scope="module")
def alone(folder: Path, jobs: Jobs) -> dict[str, dict[str, Any]]:
    """What one process makes of the jobs."""
    described = jobs("alone")
    for job in described.values():
        assert main([write(job, folder)]) == 0
    return {name: result(job) for name, job in described.items()}


def test_self_labelling_goes_on_with_the_chosen_head_of_the_clustering(alone):
    before, after = alone["scan"], alone["selflabel"]
    assert list(before["heads"]) == ["0", "1", "2"]
    assert list(after["heads"]) == [before["chosen"]] == [after["chosen"]]
    assert after["head"] == before["head"] == {"kind": "linear", "options": {"dimensions": 3}}
    assert alone["supervised"]["chosen"] is None


def test_no_steps_leave_the_start_as_it_was(folder, jobs, alone):
    job = jobs("alone")["selflabel"] | {"epochs": 0, "destination": str(folder / "nothing" / "selflabel")}
    assert main([write(job, folder)]) == 0
    untouched = result(job)
    chosen = alone["scan"]["chosen"]
    for name, value in alone["scan"]["body"].items():
        assert torch.equal(untouched["body"][name], value), name
    assert torch.equal(untouched["heads"][chosen]["0.weight"], alone["scan"]["heads"][chosen]["0.weight"])


def test_fresh_heads_on_the_body_of_another_run(folder, jobs, alone):
    job = jobs("alone")["supervised"] | {
        "epochs": 0,
        "start": jobs("alone")["selflabel"]["start"],
        "destination": str(folder / "fresh" / "supervised"),
    }
    assert main([write(job, folder)]) == 0
    made = result(job)
    assert all(torch.equal(made["body"][name], value) for name, value in alone["scan"]["body"].items())
    assert list(made["heads"]) == ["0"]
    assert not torch.equal(made["heads"]["0"]["0.weight"], alone["scan"]["heads"]["0"]["0.weight"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "nowhere.pt"}, "there is no file nowhere.pt"),
        ({"architecture": {"name": "small-convnet", "options": {"channels": 1}}}, "does not fit"),
    ],
)
def test_a_start_that_cannot_be_gone_on_from_is_a_user_error(folder, jobs, alone, capsys, change, message):
    assert main([write(jobs("alone")["selflabel"] | change, folder)]) == 2
    assert message in capsys.readouterr().err


def test_a_start_without_a_chosen_head_needs_heads_to_be_described(folder, jobs, alone, capsys):
    undecided = folder / "undecided.pt"
    torch.save(alone["scan"] | {"chosen": None}, undecided)
    assert main([write(jobs("alone")["selflabel"] | {"start": str(undecided)}, folder)]) == 2
    assert "no head that was chosen" in capsys.readouterr().err


def test_two_processes_find_what_one_finds(folder, jobs, alone):
    described = jobs("together")
    calls = "".join(
        f"    assert train([{write(job, folder)!r}]) == 0\n    barrier()\n" for job in described.values()
    )
    script = folder / "script.py"
    script.write_text(
        "from torch.distributed import barrier\n"
        "from clusterprobe.train.distributed import process_group\n"
        "from clusterprobe.train.__main__ import main as train\n"
        f"with process_group():\n{calls}"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*command, str(script)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for name, job in described.items():
        together = result(job)
        assert together["chosen"] == alone[name]["chosen"]
        torch.testing.assert_close(together["found"], alone[name]["found"], rtol=0, atol=0)
        for part in ("body", "heads"):
            torch.testing.assert_close(together[part], alone[name][part], rtol=1e-4, atol=1e-5)
        logs = [
            (Path(each) / "log.jsonl").read_text().splitlines()
            for each in (job["destination"], jobs("alone")[name]["destination"])
        ]
        for line, other in zip(*logs, strict=True):
            assert json.loads(line) == pytest.approx(json.loads(other), rel=1e-4, abs=1e-6)
