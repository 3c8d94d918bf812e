"""Files of unknown origin: each wrong kind has its own sentence, and no code in them ever runs."""

from __future__ import annotations

import argparse
import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.checkpoint_files import read_tensors

WEIGHTS = {"conv1.weight": torch.randn(2000), "fc.bias": torch.ones(3)}


def torch_bytes(value: object, legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def zipped(names: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in names.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pth"))
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("legacy", [False, True])
def test_files_of_torch_save_are_read(tmp_path: Path, legacy: bool) -> None:
    path = tmp_path / "any.name"
    path.write_bytes(torch_bytes(OrderedDict(WEIGHTS), legacy))
    assert all(torch.equal(read_tensors(path)[name], WEIGHTS[name]) for name in WEIGHTS)


def test_safetensors_are_known_by_content(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(save(WEIGHTS))
    assert torch.equal(read_tensors(path)["conv1.weight"], WEIGHTS["conv1.weight"])


def test_nested_containers_become_part_of_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(torch_bytes({"epoch": 3, "outer": {"model": WEIGHTS, 0: {"step": torch.ones(1)}}}))
    assert sorted(read_tensors(path)) == ["outer/0/step", "outer/model/conv1.weight", "outer/model/fc.bias"]


def test_plain_values_beside_the_weights_are_no_code(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    values = {
        "opt": argparse.Namespace(lr=0.1),
        "best": np.float64(0.5),
        "n": np.int64(3),
        "state_dict": WEIGHTS,
    }
    for legacy in (False, True):
        path.write_bytes(torch_bytes(values, legacy))
        assert "state_dict/fc.bias" in read_tensors(path)


@pytest.mark.parametrize("writer", ["pickle", "torch", "torch legacy", "nested"])
def test_code_is_refused_and_never_run(tmp_path: Path, writer: str) -> None:
    path, target = tmp_path / "a.pth", tmp_path / "was-here"
    bomb = Bomb(target)
    data = {
        "pickle": lambda: pickle.dumps(bomb),
        "torch": lambda: torch_bytes(bomb),
        "torch legacy": lambda: torch_bytes(bomb, legacy=True),
        "nested": lambda: torch_bytes({"state_dict": WEIGHTS, "extra": bomb}),
    }[writer]()
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"refused: contains code \(posix\.mkdir\)"):
        read_tensors(path)
    assert not target.exists()
    if writer == "pickle":
        pickle.loads(data)  # the same bytes do harm when they are trusted
        assert target.exists()


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "web page": (lambda: b"\n <!DOCTYPE html><html>Quota exceeded</html>", "is a web page"),
    "text": (lambda: b"404: Not Found, sorry about that", "is not a checkpoint"),
    "lfs pointer": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "Git LFS pointer"),
    "gzip": (lambda: b"\x1f\x8b\x08\x00" + bytes(100), "is a gzip archive"),
    "tar": (tarred, "is a tar archive"),
    "keras": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
    "zip of checkpoints": (
        lambda: zipped({"a.pth": torch_bytes(WEIGHTS)}),
        r"zip archive .*\(a\.pth\): unpack",
    ),
    "zip of zips": (lambda: zipped({"inner.zip": zipped({"b": b""})}), r"zip archive .*inner\.zip"),
    "cut-off zip": (lambda: torch_bytes(WEIGHTS)[:-200], "is cut off or damaged"),
    "cut-off legacy": (lambda: torch_bytes(WEIGHTS, legacy=True)[:-200], "is cut off, damaged"),
    "cut-off safetensors": (lambda: save(WEIGHTS)[:-100], "damaged or cut-off safetensors"),
    "cut-off safetensors header": (lambda: save(WEIGHTS)[:30], "cut off .its header"),
    "whole module": (
        lambda: torch_bytes(torch.nn.Linear(2, 2)),
        r"contains code \(torch\.nn\.modules\.linear",
    ),
    "torchscript": (scripted, "contains code .a TorchScript"),
    "pickled list": (lambda: pickle.dumps([1, 2, 3]), "not written by torch.save"),
    "no tensors": (
        lambda: torch_bytes({"epoch": 3, "lr": 0.1}),
        r"holds no tensors by name \(found: epoch, lr\)",
    ),
    "bare list": (lambda: torch_bytes([torch.ones(2)]), r"holds no tensors by name \(found: list\)"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_every_wrong_file_has_its_own_error(tmp_path: Path, kind: str) -> None:
    make, message = WRONG[kind]
    path = tmp_path / "model.pth"
    path.write_bytes(make())
    with pytest.raises(UserError, match=message) as caught:
        read_tensors(path)
    assert str(path) in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file"):
        read_tensors(tmp_path / "none.pth")
