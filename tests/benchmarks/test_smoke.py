"""The smoke run on images, tiny."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from benchmarks import harness, results
from benchmarks.harness import Size
from benchmarks.questions import smoke_cifar10
from benchmarks.questions.smoke_cifar10 import Plan, read_split

PLAN = Plan(96, 48, {"simclr": 1, "scan": 1, "selflabel": 1}, (4, 8), 32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Parquet files of squares in ten colours."""
    generator = np.random.default_rng(0)
    for name, count in (("train", PLAN.train), ("test", PLAN.test)):
        labels = np.arange(count) % 10
        images = []
        for label in labels:
            pixels = np.full((32, 32, 3), 20 * label, dtype=np.uint8)
            pixels[8:24, 8:24] = generator.integers(256, size=3)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "PNG")
            images.append(buffer.getvalue())
        table = pa.table({"image": images, "label": labels.astype(np.int16)})
        pq.write_table(table, tmp_path / f"{name}.parquet")
    return tmp_path


@pytest.mark.slow
def test_three_steps_and_their_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = (
        read_split(folder / f"{name}.parquet", count) for name, count in (("train", 96), ("test", 48))
    )
    assert train.pixels.shape == (96, 3, 32, 32)
    outcome = smoke_cifar10.run(PLAN, train, test, folder)
    for name in PLAN.epochs:
        assert 0.1 <= outcome.facts[f"ACC on 48 test images, {name}"] <= 1
        assert (folder / f"smoke-{name}" / "network.pt").exists()
    assert outcome.facts["images a second"] > 0
    assert 0 < outcome.facts["share of the rate of matrix products"] < 1

    monkeypatch.setattr(smoke_cifar10, "run_training", lambda *_: pytest.fail("trained again"))
    again = smoke_cifar10.run(PLAN, train, test, folder)
    same = {name: value for name, value in outcome.facts.items() if name.startswith("ACC")}
    assert same == {name: value for name, value in again.facts.items() if name.startswith("ACC")}

    for module in (harness, results):
        monkeypatch.setattr(module, "RECORDS", folder)
    monkeypatch.setattr(results, "HERE", folder)
    harness.record(smoke_cifar10.QUESTION, outcome, Size("quick", folder), 1.0, 0.0)
    results.write_results()
    text = (folder / "RESULTS.md").read_text(encoding="utf-8")
    assert "smoke run: its accuracies are no result" in text
    assert "### smoke-cifar10 (smoke run)" in text


def test_without_images_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLUSTERPROBE_CIFAR10", raising=False)
    outcome = smoke_cifar10.measure(Size("quick", tmp_path))
    assert outcome.ratio is None
    assert "CLUSTERPROBE_CIFAR10" in outcome.note
    assert replace(outcome, note="").facts == {}
