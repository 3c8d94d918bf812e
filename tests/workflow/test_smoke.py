"""config/cifar10-smoke.yaml, on generated files laid out like the real ones: parquet, a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from project import Project, encoded, picture
from torchvision.models import resnet18

CONFIG = "config/cifar10-smoke.yaml"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def write_cifar10(folder: Path, split: str, count: int) -> None:
    """Write one split with the columns, types, ids and codec of the real files."""
    generator = np.random.default_rng(count)
    colours = np.random.default_rng(0).integers(0, 255, (10, 3))
    labels = np.arange(count) % 10
    images = [
        encoded(picture(tuple(colours[label]), int(generator.integers(2**31)), size=32), "JPEG")
        for label in labels
    ]
    table = pa.table(
        {
            "id": [f"{split}/{NAMES[label]}/{row:04d}.jpg" for row, label in enumerate(labels)],
            "image": pa.array(images, pa.binary()),
            "label": pa.array(labels, pa.int16()),
            "class": pa.array([NAMES[label] for label in labels]).dictionary_encode(),
        }
    )
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / f"{split}.parquet", compression="zstd", row_group_size=40)


def write_checkpoint(path: Path) -> dict[str, torch.Tensor]:
    """Write random weights as MoCo saves them, wrapped by DataParallel; return those of the encoder."""
    torch.manual_seed(0)
    state: dict[str, torch.Tensor] = {}
    for copy in ("encoder_q", "encoder_k"):
        network = resnet18(num_classes=128)
        network.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        state |= {f"module.{copy}.{name}": value for name, value in network.state_dict().items()}
    state |= {"module.queue": torch.randn(128, 64), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    path.parent.mkdir(exist_ok=True)
    torch.save({"epoch": 200, "arch": "resnet18", "state_dict": state, "optimizer": {"state": {}}}, path)
    return state


@pytest.fixture
def smoke(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "project")
    for split, count in (("train", 64), ("test", 20)):
        write_cifar10(tmp_path / "cifar10", split, count)
    return project


def test_parquet_and_checkpoint_through_to_the_tables(smoke: Project) -> None:
    state = write_checkpoint(smoke.folder / "data/cifar10-moco.pth")
    where = {"CLUSTERPROBE_CIFAR10": str(smoke.folder.parent / "cifar10")}
    smoke.run("--configfile", CONFIG, warm=True, **where)

    folder = smoke.folder / "reports/cifar10-smoke"
    results = pd.read_parquet(folder / "results.parquet")
    assert set(results["encoder"]) == {"pixels", "MoCo, ResNet-18"}
    assert set(results.loc[results["split"] == "test", "n"]) == {20}
    assert set(results["k"].dropna()) == {10, 20}
    table = (folder / "tables/clustering.html").read_text(encoding="utf-8")
    assert "MoCo, ResNet-18" in table
    assert (folder / "report.html").exists()

    record = json.loads(smoke.one("data/encoders/cifar10-moco-*/encoder.json").read_text())
    assert record["source"]["prefix"] == "state_dict/module.encoder_q."
    from safetensors.torch import load_file

    weights = load_file(smoke.one("data/encoders/cifar10-moco-*/weights.safetensors"))
    [first] = [value for name, value in weights.items() if name.endswith("layer1.0.conv1.weight")]
    assert torch.equal(first, state["module.encoder_q.layer1.0.conv1.weight"])

    [lock] = smoke.found("data/checkpoints/hashes.lock")
    assert json.loads(lock.read_text()).keys() == {"data/cifar10-moco.pth"}
    assert "Nothing to be done" in smoke.run("--dry-run", "--configfile", CONFIG, **where).text


def test_moved_data_set_is_the_same_data_set(smoke: Project) -> None:
    """Only the manifests are looked at anew; where their content is the same, nothing else starts."""
    first, second = smoke.folder.parent / "cifar10", smoke.folder.parent / "elsewhere"
    arguments = ("--configfile", CONFIG, "--until", "index_dataset")
    smoke.run(*arguments, CLUSTERPROBE_CIFAR10=str(first))
    before = smoke.hashes("data")
    assert len([name for name in before if name.endswith(".parquet")]) == 2
    first.rename(second)
    smoke.run(*arguments, CLUSTERPROBE_CIFAR10=str(second))
    assert smoke.hashes("data") == before
    assert str(second) in smoke.one("data/manifests/*/train.source.json").read_text()
