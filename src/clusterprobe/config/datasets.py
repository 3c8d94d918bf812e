"""Typed definitions of data sets."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from clusterprobe.config.class_files import hashes_of_lists, read_classes, read_superclasses

Paths = dict[str, str]
ClassList = Annotated[
    list[str] | None, BeforeValidator(read_classes, json_schema_input_type=list[str] | str | None)
]
Superclasses = Annotated[
    dict[str, str] | None,
    BeforeValidator(read_superclasses, json_schema_input_type=dict[str, str] | str | None),
]
Shift = Literal["rotation", "viewpoint", "clutter", "inversion"]


class Strict(BaseModel):
    """A section of the configuration: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _Dataset(Strict):
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


Imbalance = Annotated[
    float | None,
    Field(
        gt=1,
        description="long tail: thin the classes of the train split out, in label order and evenly on a "
        "logarithmic scale, until the first has so many times the images of the last; null: as it is",
    ),
]


class Expected(Strict):
    """How many there must be in a published set: what is on this disk may be a part of it, or another one."""

    images: int = Field(ge=1, description="images of all splits together")
    classes: int = Field(ge=1, description="classes")
    shared_images: int | None = Field(
        None, ge=1, description="images of the classes that have a counterpart, where a set says which do"
    )
    shared_classes: int | None = Field(None, ge=1, description="classes that have a counterpart")


class DigitsDataset(_Dataset):
    """The 1,797 handwritten digits of 8x8 pixels that ship with scikit-learn."""

    kind: Literal["digits"]
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of the images in the test split")
    split_seed: int = Field(0, ge=0, description="seed of the stratified split, and of `imbalance`")
    imbalance: Imbalance = None


class _Located(_Dataset):
    split_seed: int = Field(0, ge=0, description="seed of the split, of `limit` and of `imbalance`")
    test_fraction: float = Field(
        0.2, gt=0, lt=1, description="share of the test split if only one path is given"
    )
    on_bad_image: Literal["error", "skip"] = Field(
        "error", description="stop at an unreadable image, or leave it out and report it"
    )
    verify: Literal["decode", "header"] = Field(
        "decode", description="decode every image while indexing, or only look at its header"
    )
    limit: dict[str, int] | None = Field(None, description="at most this many images per split, stratified")
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

    @model_validator(mode="after")
    def _relabelling_fits(self) -> _Located:
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


class FolderDataset(_Located):
    """A tree of image files; sub-folders are classes, or there are none."""

    kind: Literal["folder"]
    path: str | None = Field(None, description="root of one tree that is split into train and test")
    splits: Paths | None = Field(None, description="root of each split, e.g. {train: ..., test: ...}")
    numbered_classes: ClassList = Field(
        None,
        description="names of the classes whose folders are called 0, 1, ...; also of the numbers in "
        "`label_lists`: a list, one that is shipped (imagenet), or a CSV file with the column class",
    )
    label_lists: str | None = Field(
        None,
        description="JSON file of lists: list n holds the classes (numbers) of the image whose file name "
        "ends in the number n + 1. They replace the labels of the folders; an image may have several or none",
    )

    label_file: str | None = Field(
        None,
        description="CSV file with the columns path (relative to the root) and label, in place of "
        "sub-folders; pictures that it does not name have no label",
    )
    growing: bool = Field(
        False,
        description="pictures come and go: every file at any depth is watched, what was worked out for a "
        "picture is kept by its hash, and a network that was trained on the others stays as it is",
    )

    @model_validator(mode="after")
    def _numbers_have_names(self) -> FolderDataset:
        if self.label_lists is not None and self.numbered_classes is None:
            raise ValueError("`label_lists` needs `numbered_classes`")
        if self.label_lists is not None and self.label_file is not None:
            raise ValueError("give either `label_lists` or `label_file`")
        return self

    @model_validator(mode="after")
    def _one_place(self) -> FolderDataset:
        if (self.path is None) == (self.splits is None):
            raise ValueError("give either `path` (split into train and test) or `splits` (one per split)")
        return self

    @property
    def own_splits(self) -> tuple[str, ...]:
        return ("train", "test") if self.splits is None else tuple(self.splits)


class ObjectNetDataset(_Located):
    """The published release of ObjectNet: images/{class}/*.png and mappings/, one split."""

    kind: Literal["objectnet"]
    root: str = Field(description="folder of the release, which holds `images` and `mappings`")
    split: Literal["test", "train"] = Field(
        "test",
        description="what its images are. train: clusters are fitted on them; the licence of ObjectNet "
        "forbids to tune any parameter on them",
    )
    border: int = Field(
        1, ge=0, description="pixels that are cut off every side: the release has a red frame"
    )

    @property
    def own_splits(self) -> tuple[str, ...]:
        return (self.split,)


class TarDataset(_Located):
    """Tar archives of image files, read without unpacking; folders or archives in them are classes."""

    kind: Literal["tar"]
    splits: Paths = Field(description="archive of each split, not compressed, e.g. {train: ..., test: ...}")

    @property
    def own_splits(self) -> tuple[str, ...]:
        return tuple(self.splits)


class ParquetDataset(_Located):
    """Parquet files with columns id, image (encoded bytes) and, optionally, label and class."""

    kind: Literal["parquet"]
    splits: Paths = Field(description="parquet file of each split, e.g. {train: ..., test: ...}")
    class_names: list[str] | None = Field(
        None, description="names of the labels 0, 1, ... if no column has them"
    )

    @property
    def own_splits(self) -> tuple[str, ...]:
        return tuple(self.splits)


class TorchvisionDataset(_Located):
    """A data set class of torchvision, by name."""

    kind: Literal["torchvision"]
    name: str = Field(description="class name in torchvision.datasets, e.g. CIFAR10")
    root: str = Field(description="folder that holds the files of the data set")
    splits: Paths | None = Field(
        None, description="our split names to the set's own, e.g. {train: unlabeled}"
    )
    download: bool = Field(False, description="let torchvision download the files if they are missing")

    @property
    def own_splits(self) -> tuple[str, ...]:
        return ("train", "test") if self.splits is None else tuple(self.splits)


class VocDataset(_Located):
    """A PASCAL VOC folder: images of several classes, for linear probes; trainval is the train split."""

    kind: Literal["voc"]
    root: str = Field(description="folder that holds JPEGImages and ImageSets/Main, e.g. VOCdevkit/VOC2007")
    labelled: Literal[False] = Field(
        False, description="images show several classes: clusters get only label-free scores"
    )

    @model_validator(mode="after")
    def _as_it_is(self) -> VocDataset:
        for name in ("classes", "superclasses", "merge"):
            if getattr(self, name) is not None:
                raise ValueError(f"`{name}` has no meaning where images show several classes")
        return self

    @property
    def multi_label(self) -> bool:
        return True


class ShiftedDataset(_Dataset):
    """Images of another data set under controlled shifts, rendered by the workflow: a transfer set."""

    kind: Literal["shifted"]
    source: str = Field(description="data set whose images are shifted")
    split: str = Field("test", description="split of the source")
    shifts: list[Shift] = Field(
        default_factory=lambda: list(get_args(Shift)),
        description="each image appears once under each shift",
    )
    severity: float = Field(1.0, gt=0, description="strength of the shifts; 1 keeps digits readable")
    seed: int = Field(0, ge=0, description="seed of the shifts")
    label_map: str = Field(description="label map from source classes to the classes of the shifted set")

    @property
    def split_names(self) -> tuple[str, ...]:
        return ("test",)


Dataset = Annotated[
    DigitsDataset
    | FolderDataset
    | ObjectNetDataset
    | TarDataset
    | ParquetDataset
    | TorchvisionDataset
    | VocDataset
    | ShiftedDataset,
    Field(discriminator="kind"),
]

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
_LATER |= {"growing", "label_file"}
"""Keys that came when there were ids: where they are not given, ids and definitions are as they were."""


def dataset_identity(dataset: Dataset) -> dict[str, Any]:
    """Return what defines a data set: moving a folder does not make another data set of it.

    Classes and superclasses count by their names, whatever file they were read from; superclasses only where
    they are the labels.
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
    """Return what indexing has to know of a data set."""
    return _given(dataset, _SHOWN | _RELABELLING) | dataset.relabelling


def _given(dataset: Dataset, excluded: set[str]) -> dict[str, Any]:
    fields = dataset.model_dump(mode="json", exclude=excluded)
    absent = {key for key in _LATER & fields.keys() if fields[key] is None or fields[key] is False}
    return {key: value for key, value in fields.items() if key not in absent}
