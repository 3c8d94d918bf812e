"""Checkpoints of TensorFlow and Haiku, read in an environment of their own: nothing in them runs here."""

from __future__ import annotations

import importlib.util
import io
import os
import pickle
import subprocess
import sys
import tarfile
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy_resnets import HaikuVariables, SimclrVariables, resnet

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import load_encoder, save_encoder
from clusterprobe.encoders.checkpoint_files import read_tensors
from clusterprobe.encoders.foreign_worker import read_array, write_array, write_arrays
from clusterprobe.encoders.isolated import DEFAULT, VARIABLE
from clusterprobe.encoders.obtain import obtain
from clusterprobe.encoders.published import convert_published, unpack_foreign

SIZE = 40
IMAGES = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
ENTRY: dict[str, Any] = {
    "url": None, "path": None, "page": None, "file": None, "parts": [], "origin": "test", "sha256": None,
    "hash_prefix": None, "pin": "first",
    "architecture": {"name": "wide-resnet", "options": {"base": 8, "padding": "same-pool"}},
    "preprocessing": {"size": SIZE, "mean": [0.0] * 3, "std": [1.0] * 3},
    "layout": "tensorflow", "prefix": None, "ignore": [], "resample": None, "feature": None,
    "licence": "Apache-2.0", "seen": "same",
}  # fmt: skip
SAVED = {
    "architecture": {
        "name": "saved-model",
        "options": {"signature": "encode", "output": "avepool_feat", "width": 4},
    },
    "layout": "saved-model",
    "feature": {"name": "avepool_feat", "pooling": "signature", "width": 4, "checksum": None},
}


@pytest.fixture
def tensorflow(monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python with TensorFlow, set up as the one that reads."""
    python = os.environ.get(VARIABLE) or str(DEFAULT.absolute())
    if not Path(python).is_file() and importlib.util.find_spec("tensorflow"):
        python = sys.executable
    if not Path(python).is_file():
        pytest.skip(f"needs TensorFlow in {DEFAULT.parent.parent} or named by {VARIABLE}: docs/encoders.md")
    monkeypatch.setenv(VARIABLE, python)
    return python


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker in this Python: enough for what needs only numpy."""
    monkeypatch.setenv(VARIABLE, sys.executable)


def write_with_tensorflow(python: str, *arguments: object) -> None:
    script = Path(__file__).with_name("write_with_tensorflow.py")
    subprocess.run([python, str(script), *map(str, arguments)], check=True, capture_output=True)


def features(body: torch.nn.Module) -> np.ndarray:
    with torch.inference_mode():
        found: np.ndarray = body(torch.from_numpy(IMAGES).permute(0, 3, 1, 2)).numpy()
    return found


def test_tensorflow_checkpoint_converts_to_the_features_of_tensorflow(
    tensorflow: str, tmp_path: Path
) -> None:
    """Written and run by TensorFlow: the same features, and those of the slow reference."""
    np.save(tmp_path / "images.npy", IMAGES)
    write_with_tensorflow(tensorflow, "resnet", tmp_path / "images.npy", tmp_path / "found.npz")
    with np.load(tmp_path / "found.npz") as found:
        arrays = {name: found[name] for name in found.files if name != "features"}
        expected = found["features"]
    scale = np.abs(expected).max()
    slow = resnet(IMAGES, SimclrVariables(seed=5), 50, 8, selective=True)
    np.testing.assert_allclose(slow, expected, atol=1e-5 * scale, rtol=0)

    beside = {f"{name}/Momentum": np.ones_like(value) for name, value in arrays.items()}
    beside["head_supervised/linear_layer/dense/kernel"] = np.ones((4, 2), np.float32)
    write_arrays(tmp_path / "variables.npz", (arrays | beside).items())
    write_with_tensorflow(tensorflow, "checkpoint", tmp_path / "variables.npz", tmp_path / "model.ckpt-7")
    parts = [".index", ".data-00000-of-00001"]
    entry = ENTRY | {"url": str(tmp_path / "model.ckpt-7"), "parts": parts}
    entry["architecture"] = {
        "name": "wide-resnet",
        "options": {"base": 8, "padding": "same-pool", "selective_kernels": True},
    }
    sha256 = obtain(entry, tmp_path / "a.bin", lock=tmp_path / "hashes.lock")
    unpack_foreign("tensorflow", tmp_path / "a.bin", tmp_path / "a.npz")
    assert not [name for name in read_tensors(tmp_path / "a.npz") if name.endswith("Momentum")]
    encoder = convert_published(entry, tmp_path / "a.bin", tmp_path / "a.npz")
    np.testing.assert_allclose(features(encoder.body), expected, atol=1e-5 * scale, rtol=0)
    assert encoder.record.source["sha256"] == sha256
    assert encoder.record.source["written_by"] == "tensorflow"


@pytest.mark.parametrize("kind", ["saved-model", "hub-module"])
def test_saved_model_gives_the_features_of_its_signature(tensorflow: str, tmp_path: Path, kind: str) -> None:
    write_with_tensorflow(tensorflow, kind, tmp_path / "module")
    entry = ENTRY | SAVED | {"path": str(tmp_path / "module")}
    obtain(entry, tmp_path / "a.bin", lock=tmp_path / "hashes.lock")
    encoder = convert_published(entry, tmp_path / "a.bin")
    expected = IMAGES.mean((1, 2)) @ (np.arange(12, dtype=np.float32).reshape(3, 4) / 10)
    np.testing.assert_allclose(features(encoder.body), expected, atol=1e-5)
    save_encoder(tmp_path / "encoder", encoder)
    del encoder
    np.testing.assert_allclose(features(load_encoder(tmp_path / "encoder").body), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signature": "decode"}, r"no signature 'decode', only \['encode'\]"),
        ({"output": "default"}, r"no output 'default', only \['avepool_feat', 'z_mean'\]"),
        ({"width": 5}, "has 4 features, not 5"),
    ],
)
def test_wrong_signature_output_and_width_are_named(
    tensorflow: str, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    write_with_tensorflow(tensorflow, "saved-model", tmp_path / "module")
    entry = ENTRY | SAVED | {"path": str(tmp_path / "module")}
    entry["architecture"] = {
        "name": "saved-model",
        "options": SAVED["architecture"]["options"] | options,  # type: ignore[index]
    }
    obtain(entry, tmp_path / "a.bin", lock=tmp_path / "hashes.lock")
    with pytest.raises(UserError, match=message):
        convert_published(entry, tmp_path / "a.bin")


def test_archive_without_a_checkpoint_is_named(tensorflow: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.bin", "w") as archive:
        archive.addfile(tarfile.TarInfo("readme.txt"))
    with pytest.raises(UserError, match=r"must hold one TensorFlow checkpoint .* not 0"):
        unpack_foreign("tensorflow", tmp_path / "a.bin", tmp_path / "a.npz")
    (tmp_path / "b.bin").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="is no archive, cut off or damaged"):
        unpack_foreign("tensorflow", tmp_path / "b.bin", tmp_path / "b.npz")
    assert not (tmp_path / "a.npz").exists()


def test_missing_environment_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match=r"conda env create .*\.venv-tensorflow .*CLUSTERPROBE_TENSORFLOW"):
        unpack_foreign("tensorflow", tmp_path / "a.bin", tmp_path / "a.npz")


def test_python_without_tensorflow_is_explained(no_tensorflow: None, tmp_path: Path) -> None:
    if importlib.util.find_spec("tensorflow"):
        pytest.skip("this Python has TensorFlow")
    with tarfile.open(tmp_path / "a.bin", "w"):
        pass
    with pytest.raises(UserError, match="has no TensorFlow"):
        unpack_foreign("tensorflow", tmp_path / "a.bin", tmp_path / "a.npz")


class FrozenDict(Mapping[str, Any]):
    """As Haiku's: pickled by the class and the dictionary."""

    def __init__(self, storage: dict[str, Any]) -> None:
        self.storage = storage

    def __getitem__(self, key: str) -> Any:
        return self.storage[key]

    def __iter__(self) -> Any:
        return iter(self.storage)

    def __len__(self) -> int:
        return len(self.storage)

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self)
        return kind, ({key: kind(v) if isinstance(v, dict) else v for key, v in self.storage.items()},)


class ExperimentState(NamedTuple):
    """As BYOL's."""

    online_params: Any
    target_params: Any
    online_state: Any
    target_state: Any
    opt_state: Any


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Classes of modules that exist while a file is written; the worker does not have them."""
    classes = {}
    for module, name, base in (
        ("haiku._src.data_structures", "frozendict", FrozenDict),
        ("byol.byol_experiment", "_ByolExperimentState", ExperimentState),
    ):
        words = module.split(".")
        for depth in range(1, len(words) + 1):
            place = ".".join(words[:depth])
            monkeypatch.setitem(sys.modules, place, types.ModuleType(place))
        classes[name] = type(name, (base,), {"__module__": module})
        setattr(sys.modules[module], name, classes[name])
    return classes


def training_state(
    libraries: dict[str, Any], online: HaikuVariables, target: HaikuVariables
) -> dict[str, Any]:
    trees = (online.params, target.params, online.state, target.state)
    state = libraries["_ByolExperimentState"](
        *map(libraries["frozendict"], trees), {"momentum": [np.zeros(3, np.float32)]}
    )
    return {"experiment_state": state, "step": np.int64(300), "rng": np.zeros(2, np.uint32)}


@pytest.mark.parametrize("protocol", [2, 4])
def test_haiku_pickle_converts_without_haiku(
    libraries: dict[str, Any], no_tensorflow: None, tmp_path: Path, protocol: int
) -> None:
    online, target = HaikuVariables(3), HaikuVariables(4)
    expected = resnet(IMAGES, online, 50, 4, fixed=False)
    resnet(IMAGES, target, 50, 4, fixed=False)
    state = training_state(libraries, online, target)
    (tmp_path / "a.bin").write_bytes(pickle.dumps(state, protocol=protocol))
    unpack_foreign("haiku", tmp_path / "a.bin", tmp_path / "a.npz")
    entry = ENTRY | {"layout": "haiku"}
    entry["architecture"] = {"name": "wide-resnet", "options": {"base": 4, "padding": "same"}}
    encoder = convert_published(entry, tmp_path / "a.bin", tmp_path / "a.npz")
    np.testing.assert_allclose(features(encoder.body), expected, atol=1e-5 * np.abs(expected).max(), rtol=0)
    assert encoder.record.source["prefix"] == "experiment_state/online/"


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("nested", [False, True])
def test_code_in_a_haiku_pickle_is_refused_and_never_run(
    no_tensorflow: None, tmp_path: Path, nested: bool
) -> None:
    bomb = Bomb(tmp_path / "was-here")
    data = pickle.dumps({"state": [bomb]} if nested else bomb, protocol=2)
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(UserError, match=r"refused: contains code \(posix\.mkdir\)"):
        unpack_foreign("haiku", tmp_path / "a.bin", tmp_path / "a.npz")
    assert not (tmp_path / "was-here").exists()
    pickle.loads(data)
    assert (tmp_path / "was-here").exists(), "the same bytes do harm when they are trusted"


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\x80\x02no pickle", "damaged pickle"), (pickle.dumps({"step": 3}), "holds no arrays")],
)
def test_other_pickles_are_named(no_tensorflow: None, tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(UserError, match=message):
        unpack_foreign("haiku", tmp_path / "a.bin", tmp_path / "a.npz")


def test_arrays_go_through_a_pipe_and_into_a_file_unchanged(tmp_path: Path) -> None:
    arrays = [IMAGES, IMAGES[0, :, :, 0].T, np.float32(3).reshape(())]
    stream = io.BytesIO()
    for array in arrays:
        write_array(stream, array)
    stream.seek(0)
    for array in arrays:
        np.testing.assert_array_equal(read_array(stream), array)
    assert read_array(stream) is None
    for name in ("a", "b"):
        write_arrays(tmp_path / f"{name}.npz", [("x/~/w", IMAGES)])
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    np.testing.assert_array_equal(read_tensors(tmp_path / "a.npz")["x/~/w"], IMAGES)


def test_environment_file_pins_what_the_worker_needs() -> None:
    import yaml

    environment = yaml.safe_load(Path("envs/tensorflow.yaml").read_text(encoding="utf-8"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert {line.split("==")[0] for line in pip} == {"numpy", "tensorflow"}
    assert all("==" in line for line in pip)
