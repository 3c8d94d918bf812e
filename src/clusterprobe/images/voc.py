"""PASCAL VOC as it is unpacked: pictures that show several classes, listed class by class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.images.folders import FolderSource
from clusterprobe.images.listing import ListedDataset, Listing, existing_path

_SPLITS = {"train": "trainval", "test": "test"}
_SHOWN = {"1": 1, "-1": 0, "0": -1}
"""What lists say (1: shown, -1: not shown, 0: difficult) as a manifest has it: 1, 0, -1 (not counted)."""


def list_voc(definition: Mapping[str, Any]) -> ListedDataset:
    """List a folder with JPEGImages and ImageSets/Main/{class}_{trainval,test}.txt, such as VOC2007.

    Everingham et al., IJCV 88, 2010, section 4.1. Raises UserError where files are missing or contradict each
    other.
    """
    root = existing_path(definition["root"], "PASCAL VOC folder")
    lists, pictures = root / "ImageSets" / "Main", root / "JPEGImages"
    ending = f"_{_SPLITS['train']}.txt"
    classes = tuple(sorted(path.name.removesuffix(ending) for path in lists.glob(f"*{ending}")))
    if not classes:
        raise UserError(
            f"{lists} holds no list CLASS{ending}; name the folder that holds ImageSets as `root`"
        )
    splits = {split: _list_split(lists, pictures, classes, own) for split, own in _SPLITS.items()}
    record = {"kind": "folder", "splits": dict.fromkeys(_SPLITS, str(pictures))}
    return ListedDataset(splits, classes, record)


def _list_split(lists: Path, pictures: Path, classes: Sequence[str], own: str) -> Listing:
    columns = [_read_list(lists / f"{name}_{own}.txt") for name in classes]
    names = sorted(columns[0])
    for name, column in zip(classes, columns, strict=True):
        if column.keys() != columns[0].keys():
            raise UserError(
                f"{lists}: {name}_{own}.txt lists other images than {classes[0]}_{own}.txt; unpack it again"
            )
    shown: npt.NDArray[np.int8] = np.array(
        [[column[image] for column in columns] for image in names], dtype=np.int8
    )
    files = [f"{image}.jpg" for image in names]
    return Listing(FolderSource(pictures), files, files, [None] * len(files), shown=shown)


def _read_list(path: Path) -> dict[str, int]:
    """Return what one list says of each image."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); unpack the data set again") from error
    found: dict[str, int] = {}
    for line in filter(None, map(str.strip, lines)):
        image, _, word = line.partition(" ")
        if word.strip() not in _SHOWN:
            raise UserError(f"{path}: {line!r} is not an image and 1, 0 or -1; unpack the data set again")
        found[image] = _SHOWN[word.strip()]
    if not found:
        raise UserError(f"{path} lists no image; unpack the data set again")
    return found
