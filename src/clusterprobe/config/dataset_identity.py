"""What makes a data set the one that it is, and what indexing has to know of it."""

from __future__ import annotations

from typing import Any

from clusterprobe.config.class_files import hashes_of_lists
from clusterprobe.config.datasets import Dataset, ShiftedDataset, TorchvisionDataset
from clusterprobe.config.label_maps import counted_as

_SHOWN = {"shards", "title", "published_as"}
_RELABELLING = {"classes", "superclasses", "labels"}

# Where a data set lies, and how it is cut for extraction or named in tables, is not what it is.
NOT_IDENTITY = {
    "path",
    "splits",
    "root",
    "download",
    "shards",
    "title",
    "published_as",
    "labelled",
    "verify",
    "superclasses",
    "imbalance",
    "lists",
    "expected",
    "growing",
    "label_file",
}
_LATER = {"imbalance", "lists", "class_limit", "numbered_classes", "label_lists", "expected"}
_LATER |= {"growing", "label_file", "bursts"}
"""Keys that came when there were ids: where they are not given, ids and definitions are as they were."""


def dataset_identity(dataset: Dataset) -> dict[str, Any]:
    """Return what defines a data set: moving a folder does not make another data set of it.

    Classes and superclasses count by their names, and label maps by what they say, whatever file they were
    read from; superclasses only where they are the labels.
    """
    fields = _given(dataset, _RELABELLING)
    identity = {key: value for key, value in fields.items() if key not in NOT_IDENTITY}
    identity |= {"label_lists": True} if "label_lists" in identity else {}  # a place, too
    splits = dataset.splits if isinstance(dataset, TorchvisionDataset) else None  # its own words, no places
    identity |= dataset.relabelling | {"splits": splits or list(dataset.split_names)}
    lists = getattr(dataset, "lists", None) or {}
    later = {"imbalance": getattr(dataset, "imbalance", None), "lists": hashes_of_lists(lists) or None}
    return identity | {key: value for key, value in later.items() if value is not None}


def indexing_definition(dataset: Dataset) -> dict[str, Any]:
    """Return what indexing has to know of a data set, and the rendering of a shifted one."""
    return _given(dataset, _SHOWN | _RELABELLING) | dataset.relabelling


def _given(dataset: Dataset, excluded: set[str]) -> dict[str, Any]:
    fields = dataset.model_dump(mode="json", exclude=excluded)
    if isinstance(dataset, ShiftedDataset):
        fields["label_map"] = counted_as(dataset.label_map)
    absent = {key for key in _LATER & fields.keys() if fields[key] is None or fields[key] is False}
    return {key: value for key, value in fields.items() if key not in absent}
