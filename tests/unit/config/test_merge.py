"""The key `merge` of data sets."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from clusterprobe.config.dataset_identity import dataset_identity, indexing_definition
from clusterprobe.config.datasets import Dataset

SETS: list[dict[str, Any]] = [
    {"kind": "folder", "splits": {"train": "a", "test": "b", "val": "c"}},
    {"kind": "parquet", "splits": {"train": "a", "test": "b", "val": "c"}},
    {"kind": "torchvision", "name": "STL10", "root": "a", "splits": {"train": "a", "test": "b", "val": "c"}},
]


def dataset(values: dict[str, Any]) -> Any:
    return TypeAdapter(Dataset).validate_python(values)


@pytest.mark.parametrize("values", SETS, ids=lambda values: values["kind"])
def test_merged_splits_are_the_train_split(values: dict[str, Any]) -> None:
    assert dataset(values).split_names == ("train", "test", "val")
    merged = dataset(values | {"merge": ["train", "test"]})
    assert merged.split_names == ("train", "val")
    assert indexing_definition(merged)["merge"] == ["train", "test"]
    assert dataset_identity(merged) != dataset_identity(dataset(values))


@pytest.mark.parametrize("merge", [["train"], ["test", "val"], ["train", "tset"]])
def test_it_takes_train_and_other_splits(merge: list[str]) -> None:
    with pytest.raises(ValidationError, match="merge"):
        dataset(SETS[0] | {"merge": merge})
