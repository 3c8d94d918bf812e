from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.train import job as jobs
from clusterprobe.train.__main__ import main
from clusterprobe.train.job import build_networks, read_recipe

Job = dict[str, Any]


@pytest.fixture
def job(tmp_path: Path, make_job: Callable[[Path], Job]) -> Job:
    return make_job(tmp_path)


def write(job: Job, folder: Path) -> str:
    path = folder / "job.json"
    path.write_text(json.dumps(job), encoding="utf-8")
    return str(path)


def weights(job: Job) -> dict[str, torch.Tensor]:
    saved = torch.load(Path(job["destination"]) / "network.pt", weights_only=True)
    heads = {f"head {name}": value for name, value in saved["heads"]["0"].items()}
    return saved["body"] | heads


def test_a_job_writes_networks_and_log_and_removes_its_state(job, tmp_path):
    assert main([write(job, tmp_path)]) == 0
    assert {path.name for path in Path(job["destination"]).iterdir()} == {"network.pt", "log.jsonl"}
    lines = (Path(job["destination"]) / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    fresh = build_networks({key: job[key] for key in ("architecture", "head")}, seed=4)
    before = fresh.body.network.state_dict()
    assert all(not torch.equal(weights(job)[name], before[name]) for name in before)


def test_a_deadline_ends_with_75_and_the_next_run_goes_on(job, tmp_path):
    undisturbed = copy.deepcopy(job) | {"destination": str(tmp_path / "undisturbed")}
    assert main([write(undisturbed, tmp_path)]) == 0
    assert main([write(job | {"deadline_seconds": 0}, tmp_path)]) == 75
    assert (Path(job["destination"]) / "state").exists()
    assert main([write(job, tmp_path)]) == 0
    logs = [(Path(each["destination"]) / "log.jsonl").read_bytes() for each in (job, undisturbed)]
    assert logs[0] == logs[1]
    assert all(torch.equal(value, weights(undisturbed)[name]) for name, value in weights(job).items())


def test_the_deadline_counts_from_before_the_files_are_hashed(job, tmp_path, monkeypatch, capsys):
    clock = SimpleNamespace(now=0.0)

    def slow(path: Path) -> str:
        clock.now += 100
        return "hash"

    monkeypatch.setattr(jobs, "sha256_file", slow)
    monkeypatch.setattr("clusterprobe.train.interrupt.time", SimpleNamespace(monotonic=lambda: clock.now))
    assert main([write(job | {"deadline_seconds": 100}, tmp_path)]) == 75
    assert "in epoch 1 after step 1" in capsys.readouterr().err


def test_the_seed_decides_the_initial_weights(job):
    def first(seed: int) -> torch.Tensor:
        networks = build_networks(job, seed)
        return torch.cat([p.flatten() for n in (networks.body, networks.heads["0"]) for p in n.parameters()])

    assert torch.equal(first(1), first(1))
    assert not torch.equal(first(1), first(2))


def test_several_heads_have_numbers_and_weights_of_their_own(job):
    heads = build_networks(job | {"head": {"kind": "linear", "count": 3}}, 0).heads
    assert list(heads) == ["0", "1", "2"]
    assert not torch.equal(next(heads["0"].parameters()), next(heads["1"].parameters()))
    assert build_networks(job | {"head": None}, 0).heads == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": 3}, "unknown key 'epoch'; did you mean 'epochs'"),
        ({"optimiser": None}, "has no 'optimiser'"),
        ({"batch_size": 0}, "batch_size must be positive"),
        ({"schedule": {"name": "cosyne"}}, "did you mean 'cosine'"),
        ({"precision": "float16"}, "precision must be one of"),
    ],
)
def test_mistakes_in_a_job_are_user_errors(job, change, message):
    described = {key: job[key] for key in job.keys() - {"images", "destination", "device"}}
    with pytest.raises(UserError, match=message):
        read_recipe(described | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": {"name": "simcrl"}}, "did you mean 'simclr'"),
        ({"objective": {"name": "simclr", "options": {"temprature": 1}}}, "did you mean 'temperature'"),
        ({"images": "nowhere.npy"}, "there is no file nowhere.npy"),
        ({"augmentation": [{"name": "flop"}]}, "did you mean 'flip'"),
    ],
)
def test_the_command_says_what_is_wrong_and_returns_2(job, tmp_path, capsys, change, message):
    assert main([write(job | change, tmp_path)]) == 2
    assert message in capsys.readouterr().err
