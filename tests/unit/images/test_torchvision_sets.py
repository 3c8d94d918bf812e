from __future__ import annotations

import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.torchvision_sets import TorchvisionSource, list_torchvision


def write_mnist(root: Path) -> Path:
    """Write MNIST's own files with three training and two test images."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix, labels in (("train", [3, 0, 3]), ("t10k", [0, 3])):
        pixels = np.arange(len(labels) * 28 * 28, dtype=np.uint32).astype(np.uint8)
        header = struct.pack(">IIII", 0x803, len(labels), 28, 28)
        (raw / f"{prefix}-images-idx3-ubyte").write_bytes(header + pixels.tobytes())
        (raw / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">II", 0x801, len(labels)) + bytes(labels)
        )
    return root


def register(monkeypatch, kind: type) -> dict[str, str]:
    monkeypatch.setattr(torchvision.datasets, kind.__name__, kind, raising=False)
    monkeypatch.setattr(torchvision.datasets, "__all__", (*torchvision.datasets.__all__, kind.__name__))
    return {"kind": "torchvision", "name": kind.__name__, "root": "somewhere"}


def test_a_set_with_a_train_argument_is_listed_and_read(tmp_path):
    listed = list_torchvision({"name": "MNIST", "root": str(write_mnist(tmp_path))})
    assert listed.classes == ("0 - zero", "3 - three")
    assert listed.splits["train"].labels(listed.classes).tolist() == [1, 0, 1]
    assert listed.splits["test"].ids == ["mnist-test-000000", "mnist-test-000001"]
    record = {"kind": "torchvision", "name": "MNIST", "root": str(tmp_path)}
    assert listed.record == {**record, "splits": {"train": "train", "test": "test"}}
    pixels = np.asarray(listed.splits["test"].source.read("1"))
    np.testing.assert_array_equal(pixels.ravel(), (np.arange(784) + 784).astype(np.uint8))


def test_source_is_picklable_once_used(tmp_path):
    source = TorchvisionSource("MNIST", write_mnist(tmp_path), "test")
    before = source.fetch("0")
    assert pickle.loads(pickle.dumps(source)).fetch("0") == before


def test_missing_files_say_what_to_set_and_nothing_is_downloaded(tmp_path):
    with pytest.raises(UserError, match=rf"CIFAR10 \(train\) .*{tmp_path}.*Set 'root'.*download: true"):
        list_torchvision({"name": "CIFAR10", "root": str(tmp_path)})
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(UserError, match=r"no data set named 'CIFAR01'; did you mean 'CIFAR10'"):
        list_torchvision({"name": "CIFAR01", "root": "."})


class SplitSet:
    """A set with its own words for splits, labels of -1 and no names of classes."""

    def __init__(self, root: str, split: str = "train") -> None:
        if split not in ("train", "val"):
            raise ValueError(f"unknown split {split}")
        self.labels = np.array([1, -1, 0]) if split == "train" else np.array([1])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.new("RGBA", (2, 2), (0, 0, 0, 0)), self.labels[index]


def test_a_set_with_a_split_argument_takes_its_own_words(monkeypatch):
    definition = register(monkeypatch, SplitSet)
    listed = list_torchvision({**definition, "splits": {"train": "train", "test": "val"}})
    assert listed.classes == ("0", "1")
    assert listed.splits["train"].labels(listed.classes).tolist() == [1, -1, 0]
    assert listed.splits["test"].ids == ["splitset-val-000000"]
    assert np.asarray(listed.splits["test"].source.read("0")).tolist() == [[[255] * 3] * 2] * 2
    with pytest.raises(UserError, match="unknown split test"):
        list_torchvision(definition)


class OneSet:
    """A set without splits whose labels come with the images."""

    def __init__(self, root: str) -> None:
        self.classes = ["even", "odd"]

    def __len__(self) -> int:
        return 40

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        if index >= 40:
            raise IndexError(index)
        return Image.new("L", (2, 2), index), index % 2


def test_a_set_without_splits_is_divided_by_its_ids(monkeypatch):
    listed = list_torchvision({**register(monkeypatch, OneSet), "test_fraction": 0.3})
    ids = [*listed.splits["train"].ids, *listed.splits["test"].ids]
    assert sorted(ids) == [f"oneset-{index:06d}" for index in range(40)]
    assert listed.classes == ("even", "odd")
    assert listed.record["splits"] == {"train": None, "test": None}


class BoxSet(OneSet):
    """A set whose target is no class."""

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.new("L", (2, 2)), {"box": 1}  # type: ignore[return-value]


def test_a_set_without_one_class_per_image_is_refused(monkeypatch):
    with pytest.raises(UserError, match="BoxSet of torchvision has no single class per image"):
        list_torchvision(register(monkeypatch, BoxSet))


class AnnotatedSet(OneSet):
    def __init__(self, root: str, annotations: str) -> None:
        super().__init__(root)


def test_a_set_that_needs_more_than_a_root_is_refused(monkeypatch):
    with pytest.raises(UserError, match=r"AnnotatedSet needs more than a root.*annotations"):
        list_torchvision(register(monkeypatch, AnnotatedSet))


class BrokenSet(OneSet):
    targets = (0,) * 40

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        raise OSError("image file is truncated")


def test_a_broken_image_is_named(monkeypatch):
    listed = list_torchvision(register(monkeypatch, BrokenSet))
    with pytest.raises(UserError, match=r"BrokenSet \(all\) in .*somewhere, image 3: cannot be decoded"):
        listed.splits["train"].source.read("3")


class FetchedSet(OneSet):
    """A set that can fetch its files."""

    def __init__(self, root: str, download: bool = False) -> None:
        super().__init__(root)
        files = Path(root) / "files"
        if download and not files.exists():
            files.write_text("once")
        if not files.exists():
            raise RuntimeError("not found")


def test_files_are_downloaded_into_a_new_folder_where_that_is_asked_for(monkeypatch, tmp_path):
    definition = register(monkeypatch, FetchedSet) | {"root": str(tmp_path / "new" / "root")}
    with pytest.raises(UserError, match="not found"):
        list_torchvision(definition)
    assert not (tmp_path / "new").exists()
    listed = list_torchvision({**definition, "download": True})
    assert (tmp_path / "new" / "root" / "files").read_text() == "once"
    assert listed.record == list_torchvision(definition).record


def test_a_place_that_cannot_be_made_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    definition = register(monkeypatch, FetchedSet) | {"root": str(tmp_path / "file" / "root")}
    with pytest.raises(UserError, match=r"cannot make .*file/root .*: set 'root' to another folder"):
        list_torchvision({**definition, "download": True})
