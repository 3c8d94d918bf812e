from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from clusterprobe.config.errors import UserError
from clusterprobe.images.augment import Augmentation
from clusterprobe.images.batches import ArrayImages
from clusterprobe.train import distributed
from clusterprobe.train.__main__ import main
from clusterprobe.train.batch_norm import GlobalBatchNorm, use_global_batch_norm
from clusterprobe.train.views import ViewMaker

TWO_PROCESSES = """
import sys
import torch
from clusterprobe.train import distributed as d
from clusterprobe.train.__main__ import main as train
from clusterprobe.train.batch_norm import use_global_batch_norm

values = torch.arange(12.0).view(3, 4)
with d.process_group():
    assert d.is_distributed() and d.world_size() == 2
    own = values[d.share(3)].clone().requires_grad_()
    assert len(own) == (1, 2)[d.rank()]
    gathered = d.gather(own)
    assert torch.equal(gathered, values)
    gathered.square().sum().backward()
    assert torch.equal(own.grad, 2 * 2 * values[d.share(3)]), "summed over the two processes"
    assert d.maximum(75 if d.rank() else 0) == 75
    assert d.from_first(b"first" if d.rank() == 0 else None) == b"first"

    alone, together = (torch.nn.Sequential(torch.nn.BatchNorm1d(4)) for _ in range(2))
    use_global_batch_norm(together)
    images = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(0)) + 100
    weights = torch.randn(7, 4, 3, generator=torch.Generator().manual_seed(1))
    whole = images.clone().requires_grad_()
    with torch.no_grad():
        expected = alone(images)
    torch.nn.functional.batch_norm(whole, None, None, training=True).mul(weights).sum().backward()
    part = images[d.share(7)].clone().requires_grad_()
    normalised = together(part)
    torch.testing.assert_close(normalised, expected[d.share(7)], atol=1e-4, rtol=0)
    (d.gather(normalised) * weights).sum().backward()
    torch.testing.assert_close(part.grad / 2, whole.grad[d.share(7)], atol=1e-4, rtol=0)
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(together.state_dict()[name], value, msg=name)

    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad = torch.full((2,), float(d.rank()))
    d.average_gradients([parameter, torch.nn.Parameter(torch.zeros(1))])
    assert parameter.grad.tolist() == [0.5, 0.5]
    print("all", "good", flush=True)

    assert train([sys.argv[1]]) == 0
    assert train([sys.argv[2]]) == 75
    assert train([sys.argv[3]]) == 0
    assert train([sys.argv[4]]) == 0
"""


@pytest.fixture(scope="module")
def two_processes(
    make_job: Callable[[Path], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Run the script above; return the folder of its jobs and what all processes printed.

    One job runs through, one stops after its first step, one goes on where a single process has stopped, and
    one ends its epochs with a batch of three images.
    """
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(TWO_PROCESSES)
    whole = make_job(folder) | {"destination": str(folder / "whole")}
    stopped = whole | {"destination": str(folder / "stopped"), "deadline_seconds": 0}
    begun = whole | {"destination": str(folder / "begun")}
    uneven = whole | {"destination": str(folder / "uneven"), "drop_last": False}
    assert main([write(begun | {"deadline_seconds": 0}, folder / "begun.json")]) == 75
    given = {"whole": whole, "stopped": stopped, "begun": begun, "uneven": uneven}
    jobs = [write(job, folder / f"{name}.json") for name, job in given.items()]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*command, str(folder / "script.py"), *jobs], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return folder, result.stdout + result.stderr


def write(job: dict[str, Any], path: Path) -> str:
    path.write_text(json.dumps(job), encoding="utf-8")
    return str(path)


def assert_same_networks(one: Path, other: Path) -> None:
    first, second = (torch.load(folder / "network.pt", weights_only=True) for folder in (one, other))
    torch.testing.assert_close(first["body"], second["body"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first["heads"]["0"], second["heads"]["0"], rtol=1e-5, atol=1e-5)


def log(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def assert_same_log(one: Path, other: Path) -> None:
    first, second = log(one), log(other)
    assert [line.keys() for line in first] == [line.keys() for line in second]
    for left, right in zip(first, second, strict=True):
        assert left == pytest.approx(right, rel=1e-5, abs=1e-5)


def test_two_processes_share_sum_gather_and_normalise(two_processes):
    assert two_processes[1].count("good") == 2


def test_two_processes_find_what_one_finds_and_one_goes_on_where_two_stopped(two_processes, make_job):
    folder, _ = two_processes
    assert (folder / "stopped" / "state").exists()
    alone = make_job(folder) | {"destination": str(folder / "alone")}
    assert main([write(alone, folder / "alone.json")]) == 0
    assert_same_networks(folder / "whole", folder / "alone")

    went_on = alone | {"destination": str(folder / "stopped")}
    assert main([write(went_on, folder / "went_on.json")]) == 0
    assert_same_networks(folder / "stopped", folder / "alone")
    assert_same_log(folder / "stopped", folder / "alone")


def test_two_processes_go_on_where_one_stopped(two_processes):
    folder, _ = two_processes
    assert_same_networks(folder / "begun", folder / "whole")
    assert_same_log(folder / "begun", folder / "whole")
    assert not (folder / "begun" / "state").exists()


def test_a_smaller_last_batch_is_shared_as_well(two_processes, make_job):
    folder, _ = two_processes
    alone = make_job(folder) | {"destination": str(folder / "uneven-alone"), "drop_last": False}
    assert main([write(alone, folder / "uneven-alone.json")]) == 0
    assert_same_networks(folder / "uneven", folder / "uneven-alone")
    assert_same_log(folder / "uneven", folder / "uneven-alone")


def test_the_first_process_alone_reports_and_logs(two_processes):
    folder, said = two_processes
    assert said.count("train: 90/90 images") == 1, "three epochs of two batches, once"
    assert said.count("train: 99/99 images") == 1
    assert len(log(folder / "whole")) == 3


def test_processes_read_and_augment_their_parts_of_one_and_the_same_batch(monkeypatch, everything):
    """Whatever their number: together they hold the views that a single process makes."""

    def views(processes: int, rank: int) -> list[list[torch.Tensor]]:
        monkeypatch.setattr(distributed, "world_size", lambda: processes)
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        pixels = np.random.default_rng(0).integers(0, 256, (23, 1, 8, 8), dtype=np.uint8)
        steps = [{"name": "random-resized-crop"}, {"name": "gaussian-noise"}]
        augmentations = {
            "train": Augmentation(steps),
            "other": Augmentation(steps),
            "plain": Augmentation([]),
        }
        source = ArrayImages(pixels)
        maker = ViewMaker({"train": source}, augmentations, [0.5], [0.25], 1, torch.device("cpu"))
        rows = torch.split(torch.randperm(23, generator=torch.Generator().manual_seed(2)), 5)
        return [[batch.indices, *batch.views] for batch in maker.batches(everything(), rows, 0)]

    alone = views(1, 0)
    parts = [views(3, rank) for rank in range(3)]
    for whole, *shares in zip(alone, *parts, strict=True):
        for values, *own in zip(whole, *shares, strict=True):
            assert max(map(len, own)) < len(values)
            assert torch.equal(torch.cat(own), values)


def test_alone_everything_is_the_identity():
    values = torch.rand(3)
    assert distributed.gather(values) is values
    assert distributed.all_sum(values) is values
    assert distributed.share(7) == slice(0, 7)
    assert (distributed.rank(), distributed.world_size(), distributed.maximum(3)) == (0, 1, 3)


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_shares_cover_the_batch_and_differ_by_one_at_most(monkeypatch, count):
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    shares = []
    for rank in range(3):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(list(range(count))[distributed.share(count)])
    assert list(itertools.chain(*shares)) == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_conversion_reaches_nested_layers_and_keeps_the_state():
    network = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm1d(2, affine=False))
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    use_global_batch_norm(network)
    assert all(isinstance(layer, GlobalBatchNorm) for layer in network[1])
    assert before.keys() == network.state_dict().keys()
    layer = network[1][0]
    images = torch.rand(4, 2, 5, 5)
    torch.testing.assert_close(layer(images), nn.BatchNorm2d(2)(images))


@pytest.mark.parametrize(("batch_size", "drop_last"), [(2, True), (5, False)], ids=["batch", "last batch"])
def test_a_batch_too_small_to_be_shared_is_refused(monkeypatch, run, batch_size, drop_last):
    """22 images in batches of 5 leave 2."""
    monkeypatch.setattr(distributed, "world_size", lambda: 3)
    with pytest.raises(UserError, match="3 processes cannot share a batch of 2; change batch_size"):
        run(batch_size=batch_size, drop_last=drop_last)
