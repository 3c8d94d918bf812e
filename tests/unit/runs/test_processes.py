"""Real processes: what several of them train together, and how they end."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

from clusterprobe.config.errors import UserError
from clusterprobe.images.sources import index_dataset, write_split
from clusterprobe.runs import processes
from clusterprobe.runs.processes import as_mistake, in_processes
from clusterprobe.runs.training import train_in_processes

ALONE = """
import json, sys
from clusterprobe.runs.training import train_in_processes
given = json.loads(sys.argv[1])
sys.exit(train_in_processes(2, **given))
"""


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Arguments of a short training on twenty pictures."""
    folder = tmp_path_factory.mktemp("processes")
    generator = torch.Generator().manual_seed(0)
    for number in range(20):
        path = folder / "images" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (8, 8), dtype=torch.uint8, generator=generator)
        Image.fromarray(pixels.numpy()).save(path)
    definition = {"kind": "folder", "splits": {"train": str(folder / "images")}}
    write_split(folder, index_dataset(definition, "pictures", ["train"]), "train")
    preprocessing = {"size": 8, "resize": 8, "interpolation": "bilinear", "crop_ratio": 1.0,
                     "mean": [0.5], "std": [0.25], "channels": 1}  # fmt: skip
    return {
        "definition": {
            "kind": "trained",
            "licence": None,
            "seen": "same",
            "clusters": None,
            "seed": 3,
            "objective": {"name": "simclr", "options": {"temperature": 0.5}},
            "architecture": {"name": "small-convnet", "options": {"channels": 1, "widths": [4, 8]}},
            "head": {"kind": "mlp", "options": {"dimensions": 4}},
            "preprocessing": preprocessing,
            "augmentation": [{"name": "random-resized-crop", "scale": [0.5, 1.0]}],
            "optimiser": {"name": "sgd", "learning_rate": 0.1},
            "epochs": 2,
            "batch_size": 5,
        },
        "made_from": {
            "manifest": str(folder / "train.parquet"),
            "location": str(folder / "train.source.json"),
            "facts": str(folder / "train.json"),
        },
        "code": "",
        "device": "cpu",
    }


def places(folder: Path, name: str) -> dict[str, str]:
    return {"folder": str(folder / name), "state": str(folder / f"{name}.state")}


@pytest.mark.slow
def test_two_processes_stop_in_time_go_on_and_find_what_one_finds(job, tmp_path):
    alone, together = places(tmp_path, "alone"), places(tmp_path, "together")
    assert train_in_processes(0, **job, **alone) == 0
    assert train_in_processes(2, **job, **together, seconds_left=0) == 75
    assert Path(together["state"]).exists()
    assert not Path(together["folder"]).exists()
    assert train_in_processes(2, **job, **together, seconds_left=1000) == 0
    assert not Path(together["state"]).exists()
    one, two = (load_file(Path(place["folder"]) / "weights.safetensors") for place in (alone, together))
    torch.testing.assert_close(two, one, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_mistake_in_one_of_several_processes_is_one_error_here(job, tmp_path):
    definition = job["definition"] | {"batch_size": 1}
    with pytest.raises(UserError, match=r"^training: 2 processes cannot share a batch of 1;"):
        train_in_processes(2, **job | {"definition": definition}, **places(tmp_path, "mistake"))


def test_a_mistake_is_told_even_where_another_process_failed_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = {}
    for rank, message in enumerate(("RuntimeError: connection closed by peer", "UserError: no rows")):
        said = {"message": {"message": message, "extraInfo": {"timestamp": str(100 + rank)}}}
        (tmp_path / f"{rank}.json").write_text(json.dumps(said))
        failures[rank] = ProcessFailure(rank, 1000 + rank, 1, str(tmp_path / f"{rank}.json"))

    def fail(_: object) -> None:
        raise ChildFailedError("task", failures)

    monkeypatch.setattr(processes, "run", fail)
    with pytest.raises(UserError, match=r"^no rows$"):
        in_processes(2, in_processes, {})
    del failures[1]
    assert in_processes(2, in_processes, {}) == 1


def test_a_disk_that_takes_no_more_is_a_mistake_and_a_missing_file_is_not() -> None:
    full = as_mistake(OSError(errno.ENOSPC, "No space left on device", "model.npz"))
    assert str(full).startswith("model.npz: the disk is full")
    assert as_mistake(FileNotFoundError(errno.ENOENT, "No such file", "model.npz")) is None
    mistake = UserError("no")
    assert as_mistake(mistake) is mistake


@pytest.mark.slow
def test_processes_save_when_told_to_stop_and_die_with_their_launcher(job, tmp_path, workers, wait_for):
    definition = job["definition"] | {"epochs": 10**6}
    order = json.dumps(job | {"definition": definition} | places(tmp_path, "long"))

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "said.txt").open("wb") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", ALONE, order],
                stdout=said,
                stderr=said,
                env=os.environ | {"TMPDIR": str(tmp_path)},
            )
        wait_for(lambda: b"train:" in (tmp_path / "said.txt").read_bytes())
        assert len(workers()) == 2
        return process

    process = start()
    process.terminate()
    assert process.wait(60) == 75
    assert (tmp_path / "long.state").exists()
    wait_for(lambda: not workers())

    process = start()
    process.send_signal(signal.SIGKILL)
    process.wait(60)
    wait_for(lambda: not workers(), 10)
