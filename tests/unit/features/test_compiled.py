"""Full batches run compiled, others as the network is; where that cannot be, all do, and it is said."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torch._dynamo.exc import BackendCompilerFailed

from clusterprobe.features.compiled import CompiledNetwork

IMAGES = torch.rand(7, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def a_network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*layers).eval()


def test_features_are_equal_and_the_last_batch_compiles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the tracer of torch, and without a backend, which would be a matter of minutes."""
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    notes: list[str] = []
    network = a_network()
    compiled = CompiledNetwork(network, 3, notes.append)
    with torch.inference_mode():
        for batch in IMAGES.split(3):
            torch.testing.assert_close(compiled(batch), network(batch), rtol=0, atol=0)
    assert len(graphs) == 1
    assert notes == []


def test_only_full_batches_run_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def compile_it(network: nn.Module, dynamic: bool) -> object:
        assert not dynamic
        return lambda images: seen.append(len(images)) or network(images)

    monkeypatch.setattr(torch, "compile", compile_it)
    compiled = CompiledNetwork(a_network(), 3, print)
    for batch in IMAGES.split(3):
        compiled(batch)
    assert seen == [3, 3]


def test_without_a_compiler_networks_run_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[int] = []

    def broken(images: Tensor) -> Tensor:
        attempts.append(len(images))
        raise BackendCompilerFailed(broken, RuntimeError("no C compiler"), None)

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: broken)
    notes: list[str] = []
    network = a_network()
    compiled = CompiledNetwork(network, 3, notes.append)
    for batch in IMAGES.split(3):
        torch.testing.assert_close(compiled(batch), network(batch), rtol=0, atol=0)
    assert attempts == [3]
    assert len(notes) == 1
    assert "runs as it is" in notes[0]
    assert "no C compiler" in notes[0]


def test_other_failures_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(images: Tensor) -> Tensor:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(torch, "compile", lambda network, dynamic: broken)
    with pytest.raises(RuntimeError, match="out of memory"):
        CompiledNetwork(a_network(), 3, print)(IMAGES[:3])
