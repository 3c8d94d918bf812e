"""Which encoder looks at a folder of pictures: one by name, or the best that this machine has or can get."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clusterprobe.config import own_pictures
from clusterprobe.config.encoders import FileEncoder, encoder_identity
from clusterprobe.config.errors import UserError, nearest
from clusterprobe.config.identity import identity
from clusterprobe.config.published_encoders import read_catalogue

FOLDER_VARIABLE = "CLUSTERPROBE_CHECKPOINTS"
"""A folder of checkpoint files, under the names that their publishers gave them."""

SMALL = frozenset({"ResNet-50", "ViT-S/16", "ViT-S/14"})
"""Networks that a machine without a GPU gets through thousands of pictures with."""

_NO_ENTRIES = ("auto", "simclr", "pixels")
_SECONDS = 5.0  # that a server gets to answer

Reachable = Callable[[str], bool]


@dataclass(frozen=True)
class Choice:
    """An encoder with its name in the configuration, its entry there, and why it was taken."""

    name: str
    entry: dict[str, Any]
    why: str


def choose_encoder(
    wish: str,
    home: Path,
    folders: list[Path],
    pictures: int,
    *,
    gpu: bool,
    checkpoint: Path | None = None,
    reachable: Reachable | None = None,
) -> Choice:
    """Return the encoder that is wished for: auto, simclr, pixels, or a name in the catalogue.

    `folders` are project folders in whose data/checkpoints files may lie from earlier runs; `checkpoint` is
    the file of an entry of the catalogue. Raises UserError for a name that is not known, for an entry without
    a file that can be used, and for a file without the name of its entry.
    """
    if checkpoint is not None and wish in _NO_ENTRIES:
        raise UserError("--checkpoint is the file of an entry of the catalogue: name it by --encoder")
    if wish == "pixels":
        return Choice("pixels", own_pictures.pixels(), "the pixels themselves, as asked for")
    if wish == "simclr":
        return Choice(
            "simclr", own_pictures.pretext(pictures, gpu), "SimCLR, trained on these pictures, as asked for"
        )
    entries = read_catalogue(home / "config" / "encoders.yaml")
    if wish == "auto":
        return _best(entries, folders, pictures, gpu, reachable or can_be_reached)
    entry = entries.get(wish)
    if entry is None:
        raise UserError(f"--encoder {wish}: {nearest(wish, [*_NO_ENTRIES, *entries])}")
    if not isinstance(entry, FileEncoder):
        raise UserError(f"--encoder {wish}: there is no file of it to use: {entry.reason}")
    return _taken(wish, entry, checkpoint or present(entry, folders), "as asked for")


def present(entry: FileEncoder, folders: list[Path]) -> Path | None:
    """Return the file of a catalogue entry on this machine, or None."""
    places = [Path(entry.path).expanduser()] if entry.path and not entry.parts else []
    name = Path(entry.file or entry.url or "").name.partition("?")[0]
    if name and os.environ.get(FOLDER_VARIABLE):
        places.append(Path(os.environ[FOLDER_VARIABLE]).expanduser() / name)
    encoder_id = identity(entry.slug, encoder_identity(entry) | _UNTRAINED)
    places += [folder / "data" / "checkpoints" / f"{encoder_id}.bin" for folder in folders]
    return next((place.absolute() for place in places if place.is_file()), None)


def can_be_reached(url: str) -> bool:
    """Whether a server answers for an address, without getting the file."""
    if not url.startswith("https://"):
        return Path(url.removeprefix("file://")).is_file()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_SECONDS):
            return True
    except (OSError, ValueError):
        return False


_UNTRAINED = {"seed": None, "trained_on": None, "start": None, "neighbours": None, "clusters": None}


def _best(
    entries: dict[str, Any], folders: list[Path], pictures: int, gpu: bool, reachable: Reachable
) -> Choice:
    """Return the entry with the best published accuracy that is here or can be had, else a pretext."""
    fitting = list(_fitting(entries, gpu))
    for name, entry in fitting:
        if found := present(entry, folders):
            return _taken(name, entry, found, "the best of the catalogue that is on this machine")
    tried: dict[str, bool] = {}
    for name, entry in fitting:
        host = (entry.url or "").split("/")[2] if "//" in (entry.url or "") else ""
        if entry.url and host not in tried:
            tried[host] = reachable(entry.url)
            if tried[host]:
                return _taken(name, entry, None, "the best of the catalogue that can be downloaded")
    why = (
        "SimCLR, trained on these pictures alone: no file of the catalogue is on this machine (where they "
        f"can lie: ${FOLDER_VARIABLE}), and none can be downloaded. It learns what these pictures show of "
        "colour, texture and shape, not what things are called: clusters are about as good as those of the "
        "pixels themselves (--encoder pixels, without training), or somewhat better, and coarser than those "
        "of a published encoder"
    )
    return Choice("simclr", own_pictures.pretext(pictures, gpu), why)


def _fitting(entries: dict[str, Any], gpu: bool) -> Iterator[tuple[str, FileEncoder]]:
    """Yield the entries that learned without labels and that the machine can run, the best first."""
    files = [(name, entry) for name, entry in entries.items() if isinstance(entry, FileEncoder)]
    rated = [(name, entry) for name, entry in files if entry.linear and entry.seen != "labels"]
    plain = [(name, entry) for name, entry in rated if entry.layout == "torch"]
    small = [(name, entry) for name, entry in plain if gpu or entry.network in SMALL]
    yield from sorted(small, key=lambda pair: -(pair[1].linear.top1 if pair[1].linear else 0.0))


def _taken(name: str, entry: FileEncoder, path: Path | None, reason: str) -> Choice:
    values = entry.model_dump(mode="json", exclude_defaults=True)
    values |= {"path": str(path)} if path else {}
    accuracy = f", linear accuracy on ImageNet {entry.linear.top1} % as published" if entry.linear else ""
    place = f"from {path}" if path else "to be downloaded"
    licence = entry.licence or "not stated: ask its authors"
    return Choice(
        name, values, f"{entry.title or name}{accuracy}: {reason}, {place}. Licence of the weights: {licence}"
    )
