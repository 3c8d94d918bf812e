"""Data sets that torchvision knows by name, read from where they lie on disk."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.decode import bad_image, to_grey_or_rgb, to_pnm
from clusterprobe.images.folders import divide
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing, known_classes
from clusterprobe.store.locks import exclusive


class TorchvisionSource(ImageSource):
    """Images of one torchvision data set by index; their pixels are what is hashed.

    `subset` is the value of the set's own `split` argument (or train|test for its `train` argument), None
    for a set that has neither.
    """

    def __init__(self, dataset: str, root: Path, subset: str | None) -> None:
        self.dataset, self.root, self.subset = dataset, root, subset
        self._reset()

    def __getstate__(self) -> tuple[str, Path, str | None]:
        return self.dataset, self.root, self.subset

    def __setstate__(self, state: tuple[str, Path, str | None]) -> None:
        self.dataset, self.root, self.subset = state
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._opened: Any = None

    def opened(self, download: bool = False) -> Any:
        """Return the torchvision object, made on first use; raises UserError when its files are missing."""
        if self._opened is None:
            self._opened = (_download if download else _construct)(self.dataset, self.root, self.subset)
        return self._opened

    def fetch(self, location: str) -> bytes:
        with self._lock:
            try:
                image, _ = self.opened()[int(location)]
            except (OSError, SyntaxError) as error:
                raise bad_image(self.name(location), f"cannot be decoded ({error})") from error
        return to_pnm(to_grey_or_rgb(image))

    def name(self, location: str) -> str:
        return f"{self.dataset} ({self.subset or 'all'}) in {self.root}, image {location}"


def list_torchvision(definition: Mapping[str, Any]) -> ListedDataset:
    """List a torchvision data set: `name`, `root`, optional `splits` from our split names to the set's own.

    Sets that have neither a `split` nor a `train` argument are divided by a hash of each id. Nothing is
    downloaded unless `download` is true.
    """
    name, root = (
        definition["name"],
        Path(definition.get("root") or "data/torchvision").expanduser().absolute(),
    )
    download = bool(definition.get("download", False))
    divided = _subset_argument(_class_of(name)) is None
    subsets: dict[str, str | None] = {"all": None}
    if not divided:
        subsets = dict(definition.get("splits") or {"train": "train", "test": "test"})
    splits: dict[str, Listing] = {}
    order: dict[str, int] = {}
    for split, subset in subsets.items():
        splits[split], names = _list_one(TorchvisionSource(name, root, subset), download)
        order = {label: place for place, label in enumerate(names)} | order
    known = known_classes(splits)
    if divided:
        splits = divide(splits["all"], definition, f"{name} in {root}")
        subsets = dict.fromkeys(splits)
    record = {"kind": "torchvision", "name": name, "root": str(root), "splits": subsets}
    return ListedDataset(splits, tuple(sorted(known, key=lambda label: (order[label], label))), record)


def _list_one(source: TorchvisionSource, download: bool) -> tuple[Listing, list[str]]:
    """Return the listing of one subset and the names of its classes in label order."""
    opened = source.opened(download)
    labels = _labels(opened)
    names = [str(name) for name in getattr(opened, "classes", None) or ()]
    if len(names) <= max(labels, default=0):
        names = [str(label) for label in range(max(labels, default=-1) + 1)]
    prefix = "-".join(word.lower() for word in (source.dataset, source.subset) if word)
    ids = [f"{prefix}-{index:06d}" for index in range(len(labels))]
    classes = [names[label] if label >= 0 else None for label in labels]
    return Listing(source, ids, [str(index) for index in range(len(ids))], classes), names


def _labels(opened: Any) -> list[int]:
    """Return the label of every image, -1 for none, without decoding images where the set allows that."""
    for attribute in ("targets", "labels", "_labels"):
        values: Sequence[Any] | None = getattr(opened, attribute, None)
        if values is not None and len(values) == len(opened):
            return [int(value) for value in values]
    try:
        return [int(opened[index][1]) for index in range(len(opened))]
    except (TypeError, ValueError) as error:
        raise UserError(
            f"{type(opened).__name__} of torchvision has no single class per image; "
            "save it as folders or parquet with one class per image"
        ) from error


def _download(name: str, root: Path, subset: str | None) -> Any:
    """Make the object, downloading what is not there; jobs that want the same files wait for each other."""
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot make {root} ({error.strerror}): set 'root' to another folder") from error
    with exclusive(root):
        return _construct(name, root, subset, download=True)


def _construct(name: str, root: Path, subset: str | None, download: bool = False) -> Any:
    kind = _class_of(name)
    accepted = inspect.signature(kind).parameters
    wanted: dict[str, Any] = {"root": str(root), "download": download}
    argument = _subset_argument(kind)
    if argument is not None:
        wanted[argument] = subset == "train" if argument == "train" else subset
    try:
        return kind(**{key: value for key, value in wanted.items() if key in accepted})
    except TypeError as error:
        raise UserError(
            f"torchvision's {name} needs more than a root ({error}); save it as folders or parquet"
        ) from error
    except (RuntimeError, OSError, ValueError) as error:
        raise UserError(
            f"torchvision's {name} ({subset or 'all'}) cannot be read from {root}: {error}. Set 'root' to "
            "the folder that holds its files, or download: true to fetch them"
        ) from error


def _class_of(name: str) -> Any:
    import torchvision.datasets

    if name not in torchvision.datasets.__all__:
        hint = nearest(name, torchvision.datasets.__all__)
        raise UserError(f"torchvision has no data set named {name!r}; {hint}")
    return getattr(torchvision.datasets, name)


def _subset_argument(kind: Any) -> str | None:
    """Return which argument of a torchvision class chooses the part of the data: split, train or none."""
    accepted = inspect.signature(kind).parameters
    return next((argument for argument in ("split", "train") if argument in accepted), None)
