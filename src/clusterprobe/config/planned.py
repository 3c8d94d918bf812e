"""The things that a plan holds, each with its id."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from clusterprobe.config.datasets import Dataset, FolderDataset
from clusterprobe.config.deviations import Deviation
from clusterprobe.config.encoders import Encoder
from clusterprobe.config.identity import identity
from clusterprobe.config.model import Config, Reducer


@dataclass(frozen=True)
class PlannedDataset:
    """A data set with its id."""

    id: str
    name: str
    definition: Dataset

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that indexing yields."""
        return self.definition.split_names

    @property
    def growing(self) -> bool:
        """Whether pictures come and go, and what is known of a picture is kept."""
        return isinstance(self.definition, FolderDataset) and self.definition.growing

    @property
    def evaluation_split(self) -> str | None:
        """The split that clusterings are looked at on, or None if there is nothing but the train split."""
        others = [split for split in self.splits if split != "train"]
        return next((split for split in ("test", "val") if split in others), others[-1] if others else None)


@dataclass(frozen=True)
class Clusters:
    """How many clusters: a number, or a multiple of the number of classes."""

    k: int | None
    factor: float | None

    @property
    def slug(self) -> str:
        """The readable part of an id."""
        return f"k{self.k}" if self.k is not None else f"{self.factor:g}x"


@dataclass(frozen=True)
class PlannedEncoder:
    """One encoder: definition, seed (null where nothing is random), and what it is made from.

    `start` is the encoder that its training goes on from, `neighbours` are the sets that it learns from,
    `cached` are features of `start` that it reads in place of images, `selection` is the split whose images,
    without labels, its objective chooses by or its snapshots are of, `clusters` is the size of its heads if
    they are clusterings.
    """

    id: str
    name: str
    seed: int | None
    definition: Encoder
    trained_on: PlannedDataset | None
    start: PlannedEncoder | None = None
    neighbours: Neighbours | None = None
    clusters: Clusters | None = None
    cached: CachedFeatures | None = None
    selection: str | None = None

    @property
    def root(self) -> PlannedEncoder:
        """The encoder at the beginning of the chain."""
        return self.start.root if self.start else self


@dataclass(frozen=True)
class Views:
    """Augmented views of every image: how many, by which steps, from which seed."""

    count: int
    augmentation: list[dict[str, Any]]
    seed: int


@dataclass(frozen=True)
class Features:
    """One output tensor of one encoder: of the images themselves, of crops, or of augmented views of them.

    In mode `reference` it depends on the batches, which have `batch_size` images.
    """

    id: str
    encoder: PlannedEncoder
    output: str
    mode: str = "eval"
    views: Views | None = None
    deviations: tuple[Deviation, ...] = ()
    batch_size: int | None = None
    crops: int = 1

    def cut(self, split: str) -> str:
        """Return how images of a split become inputs, see features.cuts."""
        if self.crops > 1:
            return "ten-crops"
        if split == "train" and "augmented-training-features" in self.deviations:
            return "random"
        return "off-centre" if "off-centre-crop" in self.deviations else "centre"


@dataclass(frozen=True)
class CachedFeatures:
    """What a training reads in place of images: features of augmented views, and of the images themselves."""

    views: Features
    plain: Features


@dataclass(frozen=True)
class Neighbours:
    """The neighbour sets of the train split of a data set; of an oracle, if labels removed the false ones.

    `encoder` is what the configuration calls the encoder with the output that they are mined on.
    """

    id: str
    encoder: str
    features: Features
    dataset: PlannedDataset
    k: int
    oracle: bool = False
    approximate: bool = False


@dataclass(frozen=True)
class Member:
    """The clustering seeds of a run that share one feature set."""

    features: Features
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """One cell of the experiment: features x reducer x method x K, with all its seeds.

    `encoder` is the entry of the configuration whose row it is, `network` the one that is clustered, or whose
    head clusters.
    """

    id: str
    encoder: str
    network: str
    variant: str
    method: str
    dataset: PlannedDataset
    members: tuple[Member, ...]
    reducer: Reducer
    clusters: Clusters
    options: dict[str, Any]
    transfer: tuple[tuple[PlannedDataset, str], ...]
    protocol: str = "clean"
    deviations: tuple[Deviation, ...] = ()
    extras: bool | Literal["criteria"] = True

    def fit_id(self, member: Member) -> str:
        """Return the id of the fits of one member, whatever the number of its seeds."""
        return identity(self.method, self.definition() | {"features": member.features.id})

    def definition(self) -> dict[str, Any]:
        """Return what defines the fit of this run, its features and seeds apart."""
        return {
            "dataset": self.dataset.id,
            "reducer": self.reducer.model_dump(mode="json"),
            "method": self.method,
            "clusters": {"k": self.clusters.k, "factor": self.clusters.factor},
            "options": self.options,
        }


@dataclass(frozen=True)
class Probe:
    """One probe with labels: features x method x share of the labels, with all its seeds.

    `crops` are the features of several crops, one set for each member, that it is scored on; none: `members`.
    """

    id: str
    encoder: str
    variant: str
    method: str
    dataset: PlannedDataset
    members: tuple[Member, ...]
    fraction: float
    options: dict[str, Any]
    protocol: str = "clean"
    crops: tuple[Features, ...] = ()

    def definition(self) -> dict[str, Any]:
        """Return what defines a probe."""
        crops = {"crops": [features.id for features in self.crops]} if self.crops else {}
        return crops | {
            "dataset": self.dataset.id,
            "method": self.method,
            "members": [[member.features.id, list(member.seeds)] for member in self.members],
            "fraction": self.fraction,
            "options": self.options,
            "protocol": self.protocol,
        }


@dataclass(frozen=True)
class ScoredRun:
    """A run that label-free criteria are computed for, and the features of two views for each member."""

    run: Run
    views: tuple[Features, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that a configuration asks for, by id."""

    config: Config
    datasets: dict[str, PlannedDataset] = field(default_factory=dict)
    encoders: dict[str, PlannedEncoder] = field(default_factory=dict)
    features: dict[str, Features] = field(default_factory=dict)
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    purity: dict[str, Neighbours] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    criteria: dict[str, ScoredRun] = field(default_factory=dict)

    def dataset(self, name: str) -> PlannedDataset:
        """Return the data set that the configuration calls `name`."""
        return next(dataset for dataset in self.datasets.values() if dataset.name == name)

    def title(self, kind: str, name: str) -> str:
        """Return how tables call the data set or encoder that the configuration calls `name`."""
        entry = (self.config.datasets if kind == "dataset" else self.config.encoders)[name]
        return (entry.title if entry is not None else None) or name
