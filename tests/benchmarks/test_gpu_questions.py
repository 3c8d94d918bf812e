"""The questions for a GPU, on the CPU and tiny; without a GPU they say that they were not run."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.harness import Size
from benchmarks.questions import gpu_arrays, gpu_extract


def test_arrays_agree() -> None:
    outcome = gpu_arrays.compare(400, 24, 8, "cpu")
    assert outcome.holds
    assert outcome.facts["equal neighbours"] == 1
    assert outcome.ratio is not None
    assert outcome.ratio > 0


def test_extraction_is_compared_with_the_network_alone() -> None:
    network = {"name": "small-convnet", "options": {"widths": [4]}}
    preprocessing = {"size": 16, "resize": 20, "mean": [0.5] * 3, "std": [0.25] * 3}
    outcome = gpu_extract.compare(network, 70, preprocessing, 32, 0, "cpu")
    assert outcome.ratio is not None
    assert outcome.ratio > 0
    assert outcome.facts["images a second"] > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU")
@pytest.mark.parametrize("module", [gpu_arrays, gpu_extract])
def test_without_a_gpu_they_are_not_run(module, tmp_path: Path) -> None:
    outcome = module.measure(Size("quick", tmp_path))
    assert outcome.ratio is None
    assert "no GPU" in outcome.note


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU")
@pytest.mark.parametrize("module", [gpu_arrays, gpu_extract])
def test_with_a_gpu_they_hold(module, tmp_path: Path) -> None:
    outcome = module.measure(Size("quick", tmp_path))
    assert outcome.ratio is not None
    assert outcome.holds
