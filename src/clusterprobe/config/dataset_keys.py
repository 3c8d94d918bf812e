"""What definitions of data sets have in common."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from clusterprobe.config.class_files import read_classes, read_superclasses
from clusterprobe.config.errors import nearest
from clusterprobe.config.strict import Strict

Paths = dict[str, str]
ClassList = Annotated[
    list[str] | None, BeforeValidator(read_classes, json_schema_input_type=list[str] | str | None)
]
Superclasses = Annotated[
    dict[str, str] | None,
    BeforeValidator(read_superclasses, json_schema_input_type=dict[str, str] | str | None),
]
Imbalance = Annotated[
    float | None,
    Field(
        gt=1,
        description="long tail: thin the classes of the train split out, in label order and evenly on a "
        "logarithmic scale, until the first has so many times the images of the last; null: as it is",
    ),
]
Bursts = Annotated[
    int | None,
    Field(
        ge=2,
        description="highly correlated images: of so many images of the train split one is kept, of every "
        "class alike, and is there so many times, a little turned, scaled and shifted; null: as it is",
    ),
]


class AnyDataset(Strict):
    """What every data set has."""

    labelled: bool = Field(
        True, description="whether images carry class labels; without, only label-free scores"
    )
    shards: int = Field(1, ge=1, description="number of feature shards (and extraction jobs) per split")
    title: str | None = Field(None, description="name in tables and figures; the key itself if not given")
    published_as: str | None = Field(None, description="name in published tables, e.g. CIFAR10; null: none")

    @property
    def split_names(self) -> tuple[str, ...]:
        """The splits that indexing yields."""
        return ("train", "test")

    @property
    def multi_label(self) -> bool:
        """Whether each image shows several classes: probes can read them, clusters have none to match."""
        return False

    @property
    def relabelling(self) -> dict[str, Any]:
        """Which classes count, and pairs [class, superclass] if the superclasses are the labels."""
        return {}

    @property
    def class_order(self) -> dict[str, str]:
        """Class -> superclass, where the superclasses of the labels are known: how results are ordered."""
        return {}


class Expected(Strict):
    """How many there must be in a published set: what is on this disk may be a part of it, or another one."""

    images: int = Field(ge=1, description="images of all splits together")
    classes: int = Field(ge=1, description="classes")
    shared_images: int | None = Field(
        None, ge=1, description="images of the classes that have a counterpart, where a set says which do"
    )
    shared_classes: int | None = Field(None, ge=1, description="classes that have a counterpart")


class LocatedDataset(AnyDataset):
    """A data set that lies on a disk."""

    split_seed: int = Field(0, ge=0, description="seed of the split, of `limit`, `imbalance` and `bursts`")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of the test split if only one path is given"
    )
    on_bad_image: Literal["error", "skip"] = Field(
        "error", description="stop at an unreadable image, or leave it out and report it"
    )
    verify: Literal["decode", "header"] = Field(
        "decode", description="decode every image while indexing, or only look at its header"
    )
    limit: dict[str, Annotated[int, Field(ge=1)]] | None = Field(
        None, description="at most this many images per split, stratified"
    )
    imbalance: Imbalance = None
    lists: Paths | None = Field(
        None,
        description="text file with the images that a split keeps, {train: ...}: a path ending in "
        "class/file on each line, as in the lists of ImageNet-LT; what follows a blank is not read",
    )
    classes: ClassList = Field(
        None,
        min_length=1,
        description="only these classes, in label order: their names, a list that is shipped (imagenet-50, "
        "imagenet-100, imagenet-200), or a CSV file with the column class",
    )
    class_limit: int | None = Field(None, ge=1, description="only the first so many classes, in label order")
    expected: Expected | None = Field(
        None,
        description="refuse to index a whole set with other counts; null: whatever is there. Where `classes` "
        "chooses some, nothing is expected",
    )
    superclasses: Superclasses = Field(
        None,
        description="what classes belong to: {class: superclass}, a mapping that is shipped (cifar-100), or "
        "a CSV file with the columns class, superclass; orders confusion matrices",
    )
    labels: Literal["classes", "superclasses"] = Field(
        "classes", description="what clusters are compared with: the classes, or their superclasses"
    )
    merge: list[str] | None = Field(
        None,
        min_length=2,
        description="splits that become one, the train split, e.g. [train, test]: for methods that are "
        "trained and scored on the same images",
    )

    @field_validator("path", "root", "splits", "lists", "label_lists", "label_file", check_fields=False)
    @classmethod
    def _tilde_is_home(cls, place: str | Paths | None) -> str | Paths | None:
        if isinstance(place, dict):
            return {split: str(Path(path).expanduser()) for split, path in place.items()}
        return str(Path(place).expanduser()) if place else place

    @model_validator(mode="after")
    def _relabelling_fits(self) -> LocatedDataset:
        if len(set(self.classes or ())) < len(self.classes or ()):
            raise ValueError("`classes` names one class twice")
        if self.labels == "superclasses" and self.superclasses is None:
            raise ValueError("`labels: superclasses` needs `superclasses`")
        unknown = set(self.merge or ()) - set(self.own_splits)
        if self.merge is not None and (unknown or "train" not in self.merge):
            raise ValueError(f"`merge` takes train and others of the splits {', '.join(self.own_splits)}")
        if set(self.lists or ()) - set(self.split_names):
            raise ValueError(f"`lists` are of the splits {', '.join(self.split_names)}")
        return self

    @model_validator(mode="after")
    def _splits_fit(self) -> LocatedDataset:
        for name in self.own_splits:
            if not re.fullmatch("[a-z]+", name):  # that is how patterns of file names find them
                raise ValueError(f"the split {name!r} has a name that may hold only the letters a to z")
        for name in self.limit or ():
            if name not in self.split_names:
                raise ValueError(f"`limit`: there is no split {name!r}; {nearest(name, self.split_names)}")
        return self

    @property
    def own_splits(self) -> tuple[str, ...]:
        """The splits that the data set has by itself."""
        return super().split_names

    @property
    def split_names(self) -> tuple[str, ...]:
        if self.merge is None:
            return self.own_splits
        return ("train", *(name for name in self.own_splits if name not in self.merge))

    @property
    def relabelling(self) -> dict[str, Any]:
        changed: dict[str, Any] = {} if self.classes is None else {"classes": self.classes}
        if self.labels == "superclasses":
            changed["superclasses"] = [list(pair) for pair in (self.superclasses or {}).items()]
        return changed

    @property
    def class_order(self) -> dict[str, str]:
        return dict(self.superclasses or {}) if self.labels == "classes" else {}
