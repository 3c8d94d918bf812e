"""Folders of image files whose sub-folders, if there are any, are the classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.decode import bad_image
from clusterprobe.images.label_files import read_labels
from clusterprobe.images.label_lists import relabel
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing, existing_path, known_classes
from clusterprobe.images.splits import stable_test_mask

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class FolderSource(ImageSource):
    """Image files below `root`; a location is a path relative to it."""

    root: Path

    def fetch(self, location: str) -> bytes:
        try:
            return (self.root / location).read_bytes()
        except OSError as error:
            raise bad_image(self.name(location), f"cannot be read ({error.strerror})") from error

    def name(self, location: str) -> str:
        return str(self.root / location)

    def stamp(self, location: str) -> str | None:
        try:
            status = (self.root / location).stat()
        except OSError:
            return None
        return f"{status.st_size} {status.st_mtime_ns}"


def list_folder(definition: Mapping[str, Any]) -> ListedDataset:
    """List a data set of image files.

    Either `splits` names one folder per split, or `path` names one folder that is divided by a hash of
    each relative path, so that adding pictures never moves others between the splits. With `classes`, only
    the folders of these classes are looked into, in every split. `numbered_classes` are the classes of
    folders that are called 0, 1, ...; with `label_lists` the labels come from a file, see images.label_lists.
    """
    called = definition.get("numbered_classes") or ()
    lists = definition.get("label_lists")
    wanted = None if lists else _folders_of(definition.get("classes"), called)
    refused = _Refused([] if definition.get("on_bad_image") == "skip" else None)
    labels = definition.get("label_file")
    if definition.get("splits"):
        roots = {
            split: existing_path(path, f"folder of split {split!r}")
            for split, path in definition["splits"].items()
        }
        splits = {split: _list_one(root, wanted, refused, labels) for split, root in roots.items()}
        classes = known_classes(splits)
    elif definition.get("path"):
        root = existing_path(definition["path"], "image folder")
        everything = _list_one(root, wanted, refused, labels)
        splits = divide(everything, definition, str(root))
        roots = dict.fromkeys(splits, root)
        classes = {name for name in everything.names if name is not None}
    else:
        raise UserError("a data set of kind 'folder' needs either 'path' or 'splits'; add one of them")
    if lists:
        splits = {split: relabel(listing, lists, called) for split, listing in splits.items()}
        classes = {name for listing in splits.values() for names in listing.several for name in names}
    elif called:
        splits = {split: _by_number(listing, called) for split, listing in splits.items()}
        classes = {_named(number, called, "a folder") for number in classes}
    record = {"kind": "folder", "splits": {split: str(root) for split, root in roots.items()}}
    return ListedDataset(splits, tuple(sorted(classes)), record, refused=tuple(refused.names or ()))


@dataclass(frozen=True)
class _Refused:
    """Files and folders that cannot be listed: names and reasons; None: the first one is an error."""

    names: list[dict[str, str]] | None

    def add(self, error: UserError, name: str, reason: str) -> None:
        if self.names is None:
            raise error
        self.names.append({"file": name, "reason": reason})


def divide(everything: Listing, definition: Mapping[str, Any], where: str) -> dict[str, Listing]:
    """Divide one listing into train and test by a hash of each id; raises UserError if one stays empty."""
    fraction, seed = float(definition.get("test_fraction", 0.2)), int(definition.get("split_seed", 0))
    test = stable_test_mask(everything.ids, fraction, seed)
    masks = {"train": ~test, "test": test} if fraction > 0 else {"train": ~test}
    for split, mask in masks.items():
        if not mask.any():
            raise UserError(
                f"{where}: none of its {len(mask)} images falls into the split {split!r} with test_fraction "
                f"{fraction} and split_seed {seed}; change one of them or add images"
            )
    return {split: everything.subset(np.flatnonzero(mask)) for split, mask in masks.items()}


def _folders_of(classes: Sequence[str] | None, called: Sequence[str]) -> Sequence[str] | None:
    """Return the names of the folders of some classes."""
    if classes is None or not called:
        return classes
    numbers = {name: str(number) for number, name in enumerate(called)}
    for name in classes:
        if name not in numbers:
            raise UserError(f"`classes`: {name!r} is not in `numbered_classes`; {nearest(name, called)}")
    return [numbers[name] for name in classes]


def _by_number(listing: Listing, called: Sequence[str]) -> Listing:
    places = zip(listing.names, listing.ids, strict=True)
    return replace(listing, names=[name and _named(name, called, repr(image)) for name, image in places])


def _named(number: str, called: Sequence[str], where: str) -> str:
    if not number.isdecimal() or int(number) >= len(called):
        raise UserError(
            f"{where} is of the class {number!r}, but `numbered_classes` names the folders 0 to "
            f"{len(called) - 1}"
        )
    return called[int(number)]


def _list_one(root: Path, classes: Sequence[str] | None, refused: _Refused, labels: str | None) -> Listing:
    if not root.is_dir():
        raise UserError(f"{root} is not a folder; name the folder that holds the images")
    if classes is None:
        files = sorted(_image_files(root, PurePosixPath(), frozenset({root.resolve()}), refused))
    else:
        files = sorted(file for name in classes for file in _class_files(root, name, refused))
    if not files:
        raise UserError(f"{root} holds no image; looked for {', '.join(sorted(EXTENSIONS))} at any depth")
    names = [PurePosixPath(file).parts[0] if "/" in file else None for file in files]
    if labels is not None:
        found = read_labels(Path(labels).expanduser(), files)
        names = [found.get(file) for file in files]
    return Listing(FolderSource(root), files, files, names)


def _class_files(root: Path, name: str, refused: _Refused) -> Iterator[str]:
    folder = root / name
    if not folder.is_dir():
        present = [entry.name for entry in root.iterdir() if entry.is_dir()]
        raise UserError(f"{root} has no folder of the class {name!r}; {nearest(name, present)}")
    above = frozenset({root.resolve(), folder.resolve()})
    yield from _image_files(folder, PurePosixPath(name), above, refused)


def _image_files(
    folder: Path, relative: PurePosixPath, above: frozenset[Path], refused: _Refused
) -> Iterator[str]:
    """Yield relative paths; a link back to one of the folders `above` is not followed."""
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        reason = f"cannot be listed ({error.strerror})"
        refused.add(UserError(f"{folder} {reason}; grant access or move it"), printable(relative), reason)
        return
    for entry in entries:
        inner = relative / entry.name
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            target = entry.resolve()
            if target not in above:
                yield from _image_files(entry, inner, above | {target}, refused)
        elif entry.suffix.lower() in EXTENSIONS and (entry.is_file() or entry.is_symlink()):
            try:
                file = as_text(inner)
            except UserError as error:
                refused.add(error, printable(inner), "has a name that is not valid UTF-8")
                continue
            yield file


def as_text(path: PurePosixPath) -> str:
    """Return a path as text; raises UserError for a name that is not valid UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(f"the file name {str(path)!r} is not valid UTF-8; rename the file") from error
    return str(path)


def printable(path: PurePosixPath) -> str:
    """Return a path as text; what is not valid UTF-8 in it is spelled out."""
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")
