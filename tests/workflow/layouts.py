"""Generated images, laid out on disk exactly like the published sets, and checkpoints like published ones."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy.io import savemat

from clusterprobe.config.class_files import read_classes, read_superclasses

TRAIN, TEST = 64, 32
CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
STL10 = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def pixels(labels: npt.NDArray[np.int64], side: int, seed: int) -> npt.NDArray[np.uint8]:
    """Noise about a colour of each class: uint8 [N, 3, side, side]."""
    colours = np.random.default_rng(0).integers(40, 216, (1000, 3))
    noise = np.random.default_rng(seed).normal(0, 30, (len(labels), 3, side, side))
    return (colours[labels][:, :, None, None] + noise).clip(0, 255).astype(np.uint8)


def write_cifar10(folder: Path) -> None:
    """`cifar-10-python.tar.gz`, unpacked: five pickled batches, a test batch, the names of the classes."""
    inner = folder / "cifar-10-batches-py"
    labels = np.arange(TRAIN) % 10
    for number, rows in enumerate(np.array_split(np.arange(TRAIN), 5), start=1):
        _pickle(
            inner / f"data_batch_{number}", labels=labels[rows].tolist(), data=_rows(labels[rows], number)
        )
    labels = np.arange(TEST) % 10
    _pickle(inner / "test_batch", labels=labels.tolist(), data=_rows(labels, 6))
    _pickle(inner / "batches.meta", label_names=list(CIFAR10), num_vis=3072)


def write_cifar100(folder: Path) -> None:
    """`cifar-100-python.tar.gz`, unpacked: some classes of every superclass."""
    inner = folder / "cifar-100-python"
    superclass = read_superclasses("cifar-100")
    fine, coarse = sorted(superclass), sorted(set(superclass.values()))
    members = [[name for name in fine if superclass[name] == group] for group in coarse]
    by_turns = [name for names in zip(*members, strict=True) for name in names]
    for split, count in (("train", TRAIN), ("test", TEST)):
        names = (by_turns[:24] * 3)[:count]  # in test eight are shown twice, in train all, to be held out
        labels = np.array([fine.index(name) for name in names])
        groups = [coarse.index(superclass[name]) for name in names]
        rows = _rows(labels, count)
        _pickle(inner / split, fine_labels=labels.tolist(), coarse_labels=groups, data=rows)
    _pickle(inner / "meta", fine_label_names=fine, coarse_label_names=coarse)


def write_stl10(folder: Path) -> None:
    """`stl10_binary.tar.gz`, unpacked: images column by column, labels from 1."""
    inner = folder / "stl10_binary"
    inner.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": TRAIN, "test": TEST, "unlabeled": TEST}.items()):
        labels = np.arange(count) % 10
        pixels(labels, 96, seed).transpose(0, 1, 3, 2).tofile(inner / f"{split}_X.bin")
        if split != "unlabeled":
            (labels + 1).astype(np.uint8).tofile(inner / f"{split}_y.bin")
    (inner / "class_names.txt").write_text("".join(f"{name}\n" for name in STL10))
    (inner / "fold_indices.txt").write_text("0 1 2\n" * 10)


def write_svhn(folder: Path) -> None:
    """`train_32x32.mat` and `test_32x32.mat`: images with the number last, labels 1 to 10."""
    folder.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": TRAIN, "test": TEST}.items()):
        labels = np.arange(count) % 10
        values = pixels(labels, 32, seed).transpose(2, 3, 1, 0)
        savemat(folder / f"{split}_32x32.mat", {"X": values, "y": np.where(labels == 0, 10, labels)[:, None]})


def write_places205(folder: Path) -> None:
    """`train` and `val` with a folder for each class: two train images and one of each of 205."""
    for label in range(205):
        names = (f"train/place-{label:03d}/1", f"train/place-{label:03d}/2", f"val/place-{label:03d}/3")
        for values, name in zip(pixels(np.full(3, label), 32, label), names, strict=True):
            path = folder / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.transpose(1, 2, 0)).save(path, format="JPEG")


def write_voc07(folder: Path) -> None:
    """`VOCdevkit/VOC2007`: pictures of 20 classes, one of them often difficult, and a list for each class."""
    root = folder / "VOCdevkit" / "VOC2007"
    lists, pictures = root / "ImageSets" / "Main", root / "JPEGImages"
    for place in (lists, pictures):
        place.mkdir(parents=True)
    first = 1
    for seed, (split, count) in enumerate({"trainval": TRAIN, "test": TEST}.items()):
        numbers = np.arange(first, first + count)
        said = np.full((count, 20), -1)
        said[np.arange(count), numbers % 20] = 1
        said[numbers % 3 == 0, 4] = 0
        values = pixels(numbers % 20, 48, seed)
        for number, value in zip(numbers, values, strict=True):
            Image.fromarray(value[:, :36].transpose(1, 2, 0)).save(
                pictures / f"{number:06d}.jpg", format="JPEG"
            )
        for label in range(20):
            lines = [
                f"{number:06d} {word:2d}\n" for number, word in zip(numbers, said[:, label], strict=True)
            ]
            (lists / f"thing{label:02d}_{split}.txt").write_text("".join(lines))
        (lists / f"{split}.txt").write_text("".join(f"{number:06d}\n" for number in numbers))
        first += count


def write_mnist(folder: Path) -> None:
    """`MNIST/raw`, unpacked: images and labels in files of their own, behind their shapes."""
    inner = folder / "MNIST" / "raw"
    inner.mkdir(parents=True)
    for seed, (split, count) in enumerate({"train": TRAIN, "t10k": TEST}.items()):
        labels = np.arange(count) % 10
        values = pixels(labels, 28, seed)[:, 0]
        shape = np.array([0x803, *values.shape], dtype=">i4").tobytes()
        (inner / f"{split}-images-idx3-ubyte").write_bytes(shape + values.tobytes())
        length = np.array([0x801, count], dtype=">i4").tobytes()
        (inner / f"{split}-labels-idx1-ubyte").write_bytes(length + labels.astype(np.uint8).tobytes())


def write_tiny_imagenet(folder: Path) -> None:
    """`train` with a folder for each synset, and in it a folder `images`; eight images in each of 12."""
    for label in range(12):
        synset = f"n{label:08d}"
        for number, values in enumerate(pixels(np.full(8, label), 64, label)):
            path = folder / "train" / synset / "images" / f"{synset}_{number}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values.transpose(1, 2, 0)).save(path, format="JPEG")


def write_imagenet(folder: Path) -> None:
    """`train` and `val` with a folder for each synset; two train images and one val image in each of 200,
    and in those of ImageNet-10 and of CMC's ImageNet-100, of which the last have a second val image."""
    validated = _validated()
    for label, synset in enumerate(_written()):
        names = [f"train/{synset}/{synset}_{number}" for number in (1, 2)]
        images = [image for image, shown in enumerate(validated, start=1) if shown == synset]
        names += [f"val/{synset}/ILSVRC2012_val_{image:08d}" for image in images]
        shown = pixels(np.full(len(names), label), 40, label)
        for values, name in zip(shown, names, strict=True):
            path = folder / f"{name}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(values[:, :36].transpose(1, 2, 0)).save(path, format="JPEG")


def write_imagenet_lt(folder: Path) -> None:
    """`ImageNet_LT_train.txt`: path and label, of two train images of a synset or, by turns, of one."""
    lines = [
        f"train/{synset}/{synset}_{number}.JPEG {label}\n"
        for label, synset in enumerate(synsets())
        for number in range(1, 3 - label % 2)
    ]
    folder.mkdir(parents=True)
    (folder / "ImageNet_LT_train.txt").write_text("".join(lines), encoding="utf-8")


def synsets() -> list[str]:
    """Return the synsets of `write_imagenet`, in the order of labels."""
    return sorted(_written())


def _written() -> list[str]:
    lists = ("imagenet-200", "imagenet-10", "imagenet-100-cmc")
    return list(dict.fromkeys(synset for name in lists for synset in read_classes(name)))


def _validated() -> list[str]:
    """Return the class of each validation image."""
    return [*_written(), *_written()[-8:]]


def write_objectnet(folder: Path) -> None:
    """`images` with a framed folder for each of 12 classes, and `mappings`: eight of them are of ImageNet,
    one of these twice."""
    known, everything = synsets(), read_classes("imagenet")
    folders = [f"thing_{number:02d}" for number in range(12)]
    lines = {name: (7 * number + 3) % 1000 for number, name in enumerate(everything)}
    synonyms = [""] * 1000
    for name, line in lines.items():
        synonyms[line] = f"{name}, a thing"
    shown = [synonyms[lines[name]] for name in known]
    names = {f"Thing {number}": shown[10 * number] for number in range(8)}
    names["Thing 3"] += f"; {shown[31]}"
    mappings = {
        "folder_to_objectnet_label.json": {name: f"Thing {number}" for number, name in enumerate(folders)},
        "objectnet_to_imagenet_1k.json": names,
        "pytorch_to_imagenet_2012_id.json": {str(n): lines[name] for n, name in enumerate(everything)},
    }
    (folder / "mappings").mkdir(parents=True)
    for file, values in mappings.items():
        (folder / "mappings" / file).write_text(json.dumps(values), encoding="utf-8")
    (folder / "mappings" / "imagenet_to_label_2012_v2").write_text(
        "\n".join(synonyms) + "\n", encoding="utf-8"
    )
    for label, name in enumerate(folders):
        for number, values in enumerate(pixels(np.full(4, label), 40, label)):
            values[:, [0, -1]] = values[:, :, [0, -1]] = np.array([[[255]], [[0]], [[0]]])
            _picture(folder / "images" / name / f"{number:04d}.png", values)


def write_imagenet_v2(folder: Path) -> None:
    """Folders 0 to 999: one image in each that is a class of `write_imagenet`."""
    everything = read_classes("imagenet")
    for label, synset in enumerate(synsets()):
        (values,) = pixels(np.full(1, label), 40, label + 1000)
        _picture(folder / str(everything.index(synset)) / "0.jpeg", values)


def write_some_synsets(folder: Path) -> None:
    """As ImageNet-A, -R and -Sketch: a folder for each of some synsets, 20 here, one image in each."""
    for label, synset in enumerate(synsets()[::10]):
        (values,) = pixels(np.full(1, label), 40, label + 2000)
        _picture(folder / synset / f"{synset}_0.jpg", values)


def write_real(path: Path) -> None:
    """`real.json`: for each validation image of `write_imagenet` its class, or two, or none."""
    everything = read_classes("imagenet")
    numbers = [everything.index(synset) for synset in _validated()]
    lists = [[number] for number in numbers]
    for image in range(0, len(lists) - 2, 10):
        lists[image].append(numbers[image + 1])
        lists[image + 2] = []
    path.write_text(json.dumps(lists), encoding="utf-8")


def _picture(path: Path, values: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.transpose(1, 2, 0)).save(path)


LAYOUTS: dict[str, Callable[[Path], None]] = {
    "CLUSTERPROBE_CIFAR10": write_cifar10,
    "CLUSTERPROBE_CIFAR100": write_cifar100,
    "CLUSTERPROBE_STL10": write_stl10,
    "CLUSTERPROBE_IMAGENET": write_imagenet,
    "CLUSTERPROBE_IMAGENET_LT": write_imagenet_lt,
    "CLUSTERPROBE_MNIST": write_mnist,
    "CLUSTERPROBE_TINY_IMAGENET": write_tiny_imagenet,
    "CLUSTERPROBE_SVHN": write_svhn,
    "CLUSTERPROBE_PLACES205": write_places205,
    "CLUSTERPROBE_OBJECTNET": write_objectnet,
    "CLUSTERPROBE_IMAGENET_V2": write_imagenet_v2,
    "CLUSTERPROBE_IMAGENET_R": write_some_synsets,
    "CLUSTERPROBE_IMAGENET_A": write_some_synsets,
    "CLUSTERPROBE_IMAGENET_SKETCH": write_some_synsets,
    "CLUSTERPROBE_IMAGENET_REAL": write_real,
    "CLUSTERPROBE_VOC07": write_voc07,
}
"""By the variable that says where the set is."""


def write_checkpoint(path: Path, architecture: Mapping[str, Any], prefix: str | None) -> None:
    """Write random weights of a network as a published training would: wrapped, with a head and a queue."""
    from clusterprobe.encoders.architectures import initialise

    body = initialise(architecture["name"], architecture["options"], seed=0).network.state_dict()
    container, _, inner = (prefix or "state_dict/module.encoder_q.").rpartition("/")
    state = {f"{inner}{name}": value for name, value in body.items()}
    state |= {f"{inner}fc.0.weight": torch.randn(8, 8), f"{inner}fc.0.bias": torch.randn(8)}
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"epoch": 800, container: state} if container else state, path)


def _rows(labels: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint8]:
    return pixels(labels, 32, seed).reshape(len(labels), -1)


def _pickle(path: Path, **values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as handle:
        pickle.dump(values, handle)
