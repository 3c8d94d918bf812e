"""The plan: from a configuration to the list of things to make, each with its id.

Nothing is read or computed here; ids are worked out from definitions alone, so that the plan is known
before the first job runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from clusterprobe.config.datasets import Dataset, dataset_identity
from clusterprobe.config.encoders import Encoder, FileEncoder, PixelsEncoder, RandomEncoder, encoder_identity
from clusterprobe.config.identity import identity
from clusterprobe.config.model import Clusterings, Config, Reducer


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


@dataclass(frozen=True)
class PlannedEncoder:
    """One encoder: definition, seed (null where nothing is random) and what it is trained on."""

    id: str
    name: str
    seed: int | None
    definition: Encoder
    trained_on: PlannedDataset | None


@dataclass(frozen=True)
class Features:
    """One output tensor of one encoder."""

    id: str
    encoder: PlannedEncoder
    output: str
    mode: str = "eval"


@dataclass(frozen=True)
class Neighbours:
    """The neighbour sets of the train split of a data set."""

    id: str
    features: Features
    dataset: PlannedDataset
    k: int


@dataclass(frozen=True)
class Member:
    """The clustering seeds of a run that share one feature set."""

    features: Features
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Run:
    """One cell of the experiment: features x reducer x method x K, with all its seeds."""

    id: str
    encoder: str
    variant: str
    method: str
    dataset: PlannedDataset
    members: tuple[Member, ...]
    reducer: Reducer
    k: int | None
    factor: float | None
    options: dict[str, int | float]
    transfer: tuple[tuple[PlannedDataset, str], ...]
    protocol: str = "clean"

    def fit_id(self, member: Member) -> str:
        """Return the id of the fits of one member, whatever the number of its seeds."""
        return identity(self.method, self.definition() | {"features": member.features.id})

    def definition(self) -> dict[str, Any]:
        """Return what defines the fit of this run, its features and seeds apart."""
        return {
            "dataset": self.dataset.id,
            "reducer": self.reducer.model_dump(mode="json"),
            "method": self.method,
            "clusters": {"k": self.k, "factor": self.factor},
            "options": self.options,
        }


@dataclass(frozen=True)
class Plan:
    """Everything that a configuration asks for, by id."""

    config: Config
    datasets: dict[str, PlannedDataset] = field(default_factory=dict)
    encoders: dict[str, PlannedEncoder] = field(default_factory=dict)
    features: dict[str, Features] = field(default_factory=dict)
    neighbours: dict[str, Neighbours] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def dataset(self, name: str) -> PlannedDataset:
        """Return the data set that the configuration calls `name`."""
        return next(dataset for dataset in self.datasets.values() if dataset.name == name)

    def title(self, kind: str, name: str) -> str:
        """Return how tables call the data set or encoder that the configuration calls `name`."""
        entry = (self.config.datasets if kind == "dataset" else self.config.encoders)[name]
        return (entry.title if entry is not None else None) or name


def make_plan(config: Config) -> Plan:
    """Work out the plan of a checked configuration."""
    plan = Plan(config)
    for name, definition in config.datasets.items():
        assert definition is not None, "load_config fills empty entries"
        dataset = PlannedDataset(identity(name, dataset_identity(definition)), name, definition)
        plan.datasets[dataset.id] = dataset
    for group in config.clusterings:
        for dataset_name in group.datasets or config.fit:
            for encoder_name in group.encoders or list(config.encoders):
                _add_runs(plan, group, plan.dataset(dataset_name), encoder_name)
    return plan


def _add_runs(plan: Plan, group: Clusterings, dataset: PlannedDataset, encoder: str) -> None:
    members = _members(plan, encoder, dataset, group.seeds or plan.config.seeds)
    for member in members:
        _add_neighbours(plan, member.features, dataset)
    sizes: list[tuple[int | None, float | None]] = [(k, None) for k in group.k or []]
    sizes = sizes or [(None, factor) for factor in group.factors]
    for reducer in group.reducers:
        for k, factor in sizes:
            run = _make_run(plan, group, dataset, encoder, members, reducer, k, factor)
            plan.runs.setdefault(run.id, run)


def _make_run(
    plan: Plan,
    group: Clusterings,
    dataset: PlannedDataset,
    encoder: str,
    members: tuple[Member, ...],
    reducer: Reducer,
    k: int | None,
    factor: float | None,
) -> Run:
    transfer = tuple(
        (plan.dataset(entry.dataset), entry.label_map) for entry in plan.config.transfer.get(dataset.name, [])
    )
    run = Run(
        "",
        encoder,
        group.variant,
        group.method,
        dataset,
        members,
        reducer,
        k,
        factor,
        group.options.given(),
        transfer,
    )
    seeds = [[member.features.id, list(member.seeds)] for member in members]
    targets = [[target.id, label_map] for target, label_map in transfer]
    slug = f"{group.method}-k{k}" if k else f"{group.method}-{factor:g}x"
    run_id = identity(
        slug, run.definition() | {"members": seeds, "transfer": targets, "protocol": run.protocol}
    )
    return replace(run, id=run_id)


def _members(plan: Plan, name: str, dataset: PlannedDataset, seeds: int) -> tuple[Member, ...]:
    definition = plan.config.encoders[name]
    assert definition is not None, "load_config fills empty entries"
    if isinstance(definition, PixelsEncoder | FileEncoder):
        encoder = _add_encoder(plan, name, definition, None, dataset)
        return (Member(_add_features(plan, encoder), tuple(range(seeds))),)
    if definition.encoder_seeds == 1:
        encoder = _add_encoder(plan, name, definition, 0, dataset)
        return (Member(_add_features(plan, encoder), tuple(range(seeds))),)
    encoders = [_add_encoder(plan, name, definition, seed, dataset) for seed in range(seeds)]
    return tuple(Member(_add_features(plan, encoder), (encoder.seed or 0,)) for encoder in encoders)


def _add_encoder(
    plan: Plan, name: str, definition: Encoder, seed: int | None, dataset: PlannedDataset
) -> PlannedEncoder:
    trained_on = None
    if definition.kind == "trained":
        trained_on = plan.dataset(definition.trained_on) if definition.trained_on else dataset
    what = encoder_identity(definition) | {"seed": seed, "trained_on": trained_on.id if trained_on else None}
    encoder_id = identity(_slug(definition), what)
    encoder = PlannedEncoder(encoder_id, name, seed, definition, trained_on)
    return plan.encoders.setdefault(encoder_id, encoder)


def _add_features(plan: Plan, encoder: PlannedEncoder) -> Features:
    output = encoder.definition.output
    slug = encoder.id.rsplit("-", 1)[0]
    features_id = identity(slug, {"encoder": encoder.id, "output": output, "mode": "eval"})
    return plan.features.setdefault(features_id, Features(features_id, encoder, output))


def _add_neighbours(plan: Plan, features: Features, dataset: PlannedDataset) -> None:
    settings = plan.config.neighbours
    if (features.encoder.seed or 0) >= settings.encoder_seeds:
        return
    neighbours_id = identity(f"neighbours-k{settings.k}", {"features": features.id, "k": settings.k})
    mined = Neighbours(neighbours_id, features, dataset, settings.k)
    plan.neighbours.setdefault(f"{neighbours_id}/{dataset.id}", mined)


def _slug(definition: Encoder) -> str:
    if isinstance(definition, PixelsEncoder):
        return "pixels"
    if isinstance(definition, RandomEncoder):
        return f"random-{definition.architecture.name}"
    if isinstance(definition, FileEncoder):
        return PurePosixPath(definition.url).name.split(".")[0]
    return definition.objective.name
