"""Several labels for one image, as later annotations of known images give them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from clusterprobe.config.errors import UserError
from clusterprobe.images.listing import Listing, existing_path

_NUMBER = re.compile(r"(\d+)$")


def relabel(listing: Listing, path: str, class_names: Sequence[str]) -> Listing:
    """Return a listing under the labels of a JSON file of lists of numbers of `class_names`.

    List n belongs to the image whose file name ends in the number n + 1, as in ILSVRC2012_val_00000001 (ReaL,
    Beyer et al., arXiv 2006.07159). `several` holds all classes of an image, none of one whose list is empty;
    `names` its class if it has just one. Raises UserError for another kind of file and a misfit.
    """
    lists = _read(existing_path(path, "label lists"))
    several = []
    for image in listing.ids:
        several.append(_classes(lists, image, class_names, path))
    names = [of_one[0] if len(of_one) == 1 else None for of_one in several]
    return replace(listing, names=names, several=several)


def _classes(lists: list[list[int]], image: str, names: Sequence[str], path: str) -> tuple[str, ...]:
    number = _NUMBER.search(PurePosixPath(image).stem)
    if number is None or not 1 <= int(number[1]) <= len(lists):
        raise UserError(
            f"{path} holds {len(lists)} lists of labels, but image {image!r} does not end in the number of "
            "one of them"
        )
    found = lists[int(number[1]) - 1]
    if any(not 0 <= label < len(names) for label in found):
        raise UserError(f"{path}: image {image!r} has labels {found}, but there are {len(names)} class names")
    return tuple(names[label] for label in dict.fromkeys(found))


def _read(path: Path) -> list[list[int]]:
    try:
        lists: list[list[int]] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is not readable JSON ({error}); get it again") from error
    fits = isinstance(lists, list) and all(
        isinstance(labels, list) and all(isinstance(label, int) for label in labels) for labels in lists
    )
    if not fits:
        raise UserError(f"{path} must hold a list of lists of class numbers, one list for each image")
    return lists
