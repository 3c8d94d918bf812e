from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from clusterprobe.train import distributed
from clusterprobe.train.__main__ import main
from clusterprobe.train.batch_norm import GlobalBatchNorm, use_global_batch_norm

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
"""


@pytest.fixture(scope="module")
def two_processes(
    make_job: Callable[[Path], dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str]:
    """Run the script above, with one whole job and one that stops after its first step; folder and output."""
    folder = tmp_path_factory.mktemp("two")
    (folder / "script.py").write_text(TWO_PROCESSES)
    whole = make_job(folder) | {"destination": str(folder / "whole")}
    stopped = whole | {"destination": str(folder / "stopped"), "deadline_seconds": 0}
    jobs = [write(whole, folder / "whole.json"), write(stopped, folder / "stopped.json")]
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    result = subprocess.run(
        [*command, str(folder / "script.py"), *jobs], capture_output=True, text=True, timeout=300
    )
    assert result.returncode == 0, result.stderr
    return folder, result.stdout


def write(job: dict[str, Any], path: Path) -> str:
    path.write_text(json.dumps(job), encoding="utf-8")
    return str(path)


def assert_same_networks(one: Path, other: Path) -> None:
    first, second = (torch.load(folder / "network.pt", weights_only=True) for folder in (one, other))
    torch.testing.assert_close(first["body"], second["body"], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(first["heads"]["0"], second["heads"]["0"], rtol=1e-5, atol=1e-5)


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
