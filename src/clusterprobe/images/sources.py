"""Data sets of every kind: index them into manifests once, then open their images by location."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.config.errors import UserError, nearest
from clusterprobe.images.bursts import IN_BURSTS, BurstSource, in_bursts
from clusterprobe.images.decode import BadImage, decode_image, header_size
from clusterprobe.images.digits import DigitsSource, list_digits
from clusterprobe.images.expected import check_expected
from clusterprobe.images.folders import FolderSource, list_folder
from clusterprobe.images.framed import FramedSource
from clusterprobe.images.listing import ImageSource as ImageSource
from clusterprobe.images.listing import ListedDataset, Listing
from clusterprobe.images.manifest import Manifest, check_unique, write_manifest
from clusterprobe.images.merging import MERGED, MergedSource, merged
from clusterprobe.images.objectnet import list_objectnet
from clusterprobe.images.parquet_files import ParquetSource, list_parquet
from clusterprobe.images.relabelling import relabelled
from clusterprobe.images.seen import Found, SeenImages
from clusterprobe.images.splits import limited
from clusterprobe.images.tar_files import TarSource, list_tar
from clusterprobe.images.thinning import thinned
from clusterprobe.images.torchvision_sets import TorchvisionSource, list_torchvision
from clusterprobe.images.voc import list_voc
from clusterprobe.store.atomic import write_json
from clusterprobe.store.hashing import sha256_bytes
from clusterprobe.store.progress import Progress

_KINDS: dict[str, Callable[[Mapping[str, Any]], ListedDataset]] = {
    "digits": list_digits,
    "folder": list_folder,
    "objectnet": list_objectnet,
    "parquet": list_parquet,
    "shifted": list_parquet,  # rendered into parquet beforehand
    "tar": list_tar,
    "torchvision": list_torchvision,
    "voc": list_voc,
}
_BATCH = 256
_THREADS = 8


@dataclass(frozen=True)
class IndexedDataset:
    """A data set after every image was looked at: one manifest per split, and what was left out.

    `sides` holds the side of the images of a split in pixels, None where they are not squares of one size.
    """

    dataset: str
    kind: str
    manifests: dict[str, Manifest]
    source: dict[str, Any]
    skipped: list[dict[str, str]]
    sides: dict[str, int | None]
    counterparts: Mapping[str, str] = field(default_factory=dict)


def index_dataset(
    definition: Mapping[str, Any],
    dataset: str,
    only: Sequence[str] | None = None,
    seen: Path | None = None,
) -> IndexedDataset:
    """Look at every image that a definition names and return the manifests of its splits, or of some `only`.

    Images are hashed and decoded (with verify: header, only their headers are read). Raises UserError for
    a bad image, unless on_bad_image is skip: then it is left out and recorded in `skipped`. With `seen`, a
    file of earlier findings, only files that are new or changed are opened; it holds one split.
    """
    kind = str(definition.get("kind"))
    if kind not in _KINDS:
        raise UserError(f"data set {dataset!r} has the unknown kind {kind!r}; {nearest(kind, _KINDS)}")
    listed = _KINDS[kind](definition)
    if definition.get("classes") is None:
        check_expected(listed, definition.get("expected"), dataset)
    listed = relabelled(listed, definition, dataset)
    listed = thinned(merged(listed, definition.get("merge")), definition, dataset)
    for split in (*(definition.get("limit") or {}), *(only or ())):
        if split not in listed.splits:
            raise UserError(f"data set {dataset!r} has no split {split!r}; {nearest(split, listed.splits)}")
    _check_labels(listed, definition, dataset)
    manifests: dict[str, Manifest] = {}
    sides: dict[str, int | None] = {}
    skipped = list(listed.refused)
    for split in listed.splits if only is None else only:
        listing = listed.splits[split]
        check_unique(listing.ids, f"the images of data set {dataset!r}, split {split!r}")
        chosen = _chosen(listing, listed.classes, definition, split)
        what = f"index {dataset}/{split}"
        memory = SeenImages(seen, chosen.source)
        manifests[split], sides[split] = _examine(chosen, listed.classes, definition, what, skipped, memory)
        memory.write()
    record = listed.record | ({"bursts": True} if definition.get("bursts") else {})
    return IndexedDataset(dataset, kind, manifests, record, skipped, sides, listed.counterparts)


def write_split(folder: Path, indexed: IndexedDataset, split: str) -> None:
    """Write {split}.parquet, {split}.json (free of absolute paths) and {split}.source.json into `folder`."""
    manifest = indexed.manifests[split]
    facts: dict[str, Any] = {
        "dataset": indexed.dataset,
        "kind": indexed.kind,
        "split": split,
        "classes": list(manifest.classes) or None,
        "rows": len(manifest),
        "labelled": int((manifest.labels >= 0).sum()),
        "side": indexed.sides[split],
        "content": manifest.content,
        "skipped": indexed.skipped,
    }
    facts |= {"counterparts": dict(indexed.counterparts)} if indexed.counterparts else {}
    write_manifest(folder / f"{split}.parquet", manifest)
    write_json(folder / f"{split}.json", facts)
    write_json(folder / f"{split}.source.json", indexed.source)


def open_source(source: Mapping[str, Any], split: str) -> ImageSource:
    """Open the images of one split from the record in source.json; raises UserError for an unknown split."""
    if split == IN_BURSTS and source.get("bursts"):
        return BurstSource(open_source({**source, "bursts": False}, split))
    if split == MERGED and source.get("merge"):
        apart = {key: value for key, value in source.items() if key != "merge"}
        return MergedSource({name: open_source(apart, name) for name in source["merge"]})
    if border := source.get("border"):
        inner = {key: value for key, value in source.items() if key != "border"}
        return FramedSource(open_source(inner, split), int(border))
    kind = source.get("kind")
    if kind == "digits":
        return DigitsSource()
    splits = source.get("splits", {})
    if split not in splits:
        raise UserError(f"the data set has no split {split!r}; {nearest(split, splits)}")
    place = splits[split]
    if kind == "folder":
        return FolderSource(Path(place))
    if kind == "parquet":
        return ParquetSource(Path(place))
    if kind == "tar":
        return TarSource(Path(place))
    if kind == "torchvision":
        return TorchvisionSource(source["name"], Path(source["root"]), place)
    raise UserError(f"source.json holds the unknown kind {kind!r}; index the data set again")


def _check_labels(listed: ListedDataset, definition: Mapping[str, Any], dataset: str) -> None:
    if definition.get("labelled", False) and not listed.classes:
        raise UserError(
            f"data set {dataset!r} has no class labels (no sub-folders, no column label or class): "
            "say `labelled: false` in its definition, and the number of clusters as `k`"
        )


def _chosen(listing: Listing, classes: tuple[str, ...], definition: Mapping[str, Any], split: str) -> Listing:
    """Return the images that stay under the limit of a split, all if it has none; as bursts if asked for."""
    labels = listing.labels(classes)
    limit, seed = (definition.get("limit") or {}).get(split), int(definition.get("split_seed", 0))
    if limit is not None and limit < 1:
        raise UserError(f"limit of split {split!r} is {limit}; set it to at least one image or leave it out")
    if limit is not None:
        listing = listing.subset(limited(listing.ids, labels, limit, seed))
    length = definition.get("bursts") if split == IN_BURSTS else None
    return in_bursts(listing, classes, int(length), seed) if length else listing


def _examine(
    listing: Listing,
    classes: tuple[str, ...],
    definition: Mapping[str, Any],
    what: str,
    skipped: list[dict[str, str]],
    memory: SeenImages,
) -> tuple[Manifest, int | None]:
    """Return the manifest of the good images of a listing, and their side if they are squares of one size.

    Bad ones are raised or added to `skipped`.
    """
    examine = partial(_look, listing.source, header_only=definition.get("verify", "decode") == "header")
    look_at = partial(memory.look, examine=examine)
    skip = definition.get("on_bad_image", "error") == "skip"
    kept: list[int] = []
    hashes: list[str] = []
    sizes: set[tuple[int, int]] = set()
    count = len(listing.ids)
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool, Progress(what, count) as progress:
        for first in range(0, count, _BATCH):
            locations = listing.locations[first : first + _BATCH]
            for index, look in enumerate(pool.map(look_at, locations), start=first):
                if not isinstance(look, BadImage):
                    kept.append(index)
                    hashes.append(look[0])
                    sizes.add(look[1])
                elif skip:
                    skipped.append({"file": listing.ids[index], "reason": look.reason})
                else:
                    raise look
            progress.update(len(locations))
    if not kept:
        first_bad = skipped[-count]
        raise UserError(
            f"{what}: none of the {count} images can be used; the first, {first_bad['file']!r}, "
            f"{first_bad['reason']}; replace the images"
        )
    good = listing.subset(np.array(kept))
    manifest = _manifest(good, classes, hashes)
    width, height = next(iter(sizes))
    side = width - 2 * int(definition.get("border") or 0)
    return manifest, side if len(sizes) == 1 and width == height else None


def _manifest(good: Listing, classes: tuple[str, ...], hashes: Sequence[str]) -> Manifest:
    index = {name: number for number, name in enumerate(classes)}
    return Manifest(
        tuple(good.ids),
        tuple(good.locations),
        good.labels(classes),
        classes,
        tuple(hashes),
        tuple(good.fine),
        tuple(tuple(index[name] for name in names) for names in good.several),
        good.shown,
    )


def _look(source: ImageSource, location: str, *, header_only: bool) -> Found:
    """Return hash, width and height of one image, or what is wrong with it."""
    try:
        data = source.fetch(location)
        name = source.name(location)
        size = header_size(data, name) if header_only else decode_image(data, name).size
    except BadImage as error:
        return error
    return sha256_bytes(data), size
