"""Typed definitions of data sets, one class for each kind."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field, model_validator

from clusterprobe.config.dataset_keys import AnyDataset, Bursts, ClassList, Imbalance, LocatedDataset, Paths

Shift = Literal["rotation", "viewpoint", "clutter", "inversion"]


class DigitsDataset(AnyDataset):
    """The 1,797 handwritten digits of 8x8 pixels that ship with scikit-learn."""

    kind: Literal["digits"]
    test_fraction: float = Field(0.2, gt=0, lt=1, description="share of the images in the test split")
    split_seed: int = Field(0, ge=0, description="seed of the stratified split, of `imbalance` and `bursts`")
    imbalance: Imbalance = None
    bursts: Bursts = None


class FolderDataset(LocatedDataset):
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
    bursts: Bursts = None

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


class ObjectNetDataset(LocatedDataset):
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


class TarDataset(LocatedDataset):
    """Tar archives of image files, read without unpacking; folders or archives in them are classes."""

    kind: Literal["tar"]
    splits: Paths = Field(description="archive of each split, not compressed, e.g. {train: ..., test: ...}")
    bursts: Bursts = None

    @property
    def own_splits(self) -> tuple[str, ...]:
        return tuple(self.splits)


class ParquetDataset(LocatedDataset):
    """Parquet files with columns id, image (encoded bytes) and, optionally, label and class."""

    kind: Literal["parquet"]
    splits: Paths = Field(description="parquet file of each split, e.g. {train: ..., test: ...}")
    class_names: list[str] | None = Field(
        None, description="names of the labels 0, 1, ... if no column has them"
    )
    bursts: Bursts = None

    @property
    def own_splits(self) -> tuple[str, ...]:
        return tuple(self.splits)


class TorchvisionDataset(LocatedDataset):
    """A data set class of torchvision, by name."""

    kind: Literal["torchvision"]
    name: str = Field(description="class name in torchvision.datasets, e.g. CIFAR10")
    root: str = Field(description="folder that holds the files of the data set")
    splits: Paths | None = Field(
        None, description="our split names to the set's own, e.g. {train: unlabeled}"
    )
    download: bool = Field(False, description="let torchvision download the files if they are missing")
    bursts: Bursts = None

    @property
    def own_splits(self) -> tuple[str, ...]:
        return ("train", "test") if self.splits is None else tuple(self.splits)


class VocDataset(LocatedDataset):
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


class ShiftedDataset(AnyDataset):
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
