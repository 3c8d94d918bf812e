"""The release of ObjectNet (Barbu et al., NeurIPS 2019): images, and which classes of ImageNet are its."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterprobe.config.class_files import read_classes
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.folders import list_folder
from clusterprobe.images.listing import ListedDataset, existing_path

FOLDERS = "folder_to_objectnet_label.json"
NAMES = "objectnet_to_imagenet_1k.json"
ORDER = "pytorch_to_imagenet_2012_id.json"
SYNONYMS = "imagenet_to_label_2012_v2"


def list_objectnet(definition: Mapping[str, Any]) -> ListedDataset:
    """List the images below `root`, all as the split that the definition names; classes are its folders.

    `counterparts` of what is returned are those of ImageNet, see `objectnet_counterparts`.
    """
    root = existing_path(definition["root"], "ObjectNet")
    listed = list_folder({"splits": {definition["split"]: str(root / "images")}})
    record = listed.record | {"border": int(definition["border"])}
    counterparts = objectnet_counterparts(root / "mappings")
    absent = sorted(set(counterparts.values()) - set(listed.classes))
    present = {synset: name for synset, name in counterparts.items() if name not in absent}
    return ListedDataset(listed.splits, listed.classes, record, present)


def objectnet_counterparts(mappings: Path) -> dict[str, str]:
    """Return synset of ImageNet -> folder of ObjectNet, by the four files of the release.

    A label of ObjectNet is matched with classes of ImageNet by their whole lines of synonyms, not by a part
    of them, as two classes have the word "crane". A line has the number of a class in the order of 2012; of
    the synsets in alphabetical order another file gives these numbers. Raises UserError for a file
    that is absent or damaged and for a name that is in one file but not in the next.
    """
    folders = {label: folder for folder, label in _read(mappings / FOLDERS).items()}
    lines = _text(mappings / SYNONYMS).splitlines()
    synsets = read_classes("imagenet")
    by_line: dict[int, str] = {}
    for position, line in _read(mappings / ORDER).items():
        if not 0 <= int(position) < len(synsets) or not 0 <= int(line) < len(lines):
            raise UserError(f"{mappings / ORDER}: {position}: {line} is beyond ImageNet or {SYNONYMS}")
        by_line[int(line)] = synsets[int(position)]
    lines_of = {name.strip(): number for number, name in enumerate(lines)}
    found = {}
    for label, names in _read(mappings / NAMES).items():
        _check(label, folders, mappings / NAMES, FOLDERS)
        for name in str(names).split("; "):
            _check(name, lines_of, mappings / NAMES, SYNONYMS)
            if lines_of[name] not in by_line:
                raise UserError(f"{mappings / ORDER} does not say which class {name!r} is: get it again")
            found[by_line[lines_of[name]]] = folders[label]
    return found


def _check(name: str, known: Mapping[str, Any], path: Path, other: str) -> None:
    if name not in known:
        raise UserError(f"{path}: {name!r} is not in {other}; {nearest(name, known)}; get the release again")


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(_text(path))
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}); get the release again") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} holds no mapping; get the release again")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): `root` must be the folder of the release, with "
            "`images` and `mappings`"
        ) from error
