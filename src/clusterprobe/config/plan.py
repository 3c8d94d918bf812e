"""From a configuration to the plan: the list of things to make, each with its id.

Nothing is read or computed here; ids are worked out from definitions alone, so that the plan is known
before the first job runs.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from clusterprobe.config.as_published import Taken, taken
from clusterprobe.config.dataset_identity import dataset_identity
from clusterprobe.config.encoders import (
    Encoder,
    FileEncoder,
    PixelsEncoder,
    RandomEncoder,
    StartNeighbours,
    TrainedEncoder,
    encoder_identity,
)
from clusterprobe.config.errors import UserError
from clusterprobe.config.identity import identity
from clusterprobe.config.label_maps import counted_as
from clusterprobe.config.model import HEAD_METHODS, Clusterings, Config, Reducer
from clusterprobe.config.own_clusters import is_clustering, own_clusters
from clusterprobe.config.plan_checks import check_cells
from clusterprobe.config.plan_probes import add_criteria, add_probes
from clusterprobe.config.planned import (
    CachedFeatures,
    Clusters,
    Features,
    Member,
    Neighbours,
    Plan,
    PlannedDataset,
    PlannedEncoder,
    Run,
    Views,
)
from clusterprobe.config.planned_features import planned_features


def make_plan(config: Config) -> Plan:
    """Work out the plan of a checked configuration."""
    plan = Plan(config)
    for name, definition in config.datasets.items():
        assert definition is not None, "load_config fills empty entries"
        dataset = PlannedDataset(identity(name, dataset_identity(definition)), name, definition)
        _refuse_one_id(plan.datasets.setdefault(dataset.id, dataset), dataset)
    for number, group in enumerate(config.clusterings):
        for dataset_name in group.datasets or config.fit:
            dataset = plan.dataset(dataset_name)
            if not (dataset.definition.labelled or group.k):
                raise UserError(
                    f"clusterings.{number} ({group.method}): {dataset_name} has no labels that say how many "
                    "clusters there are; give their number, for example `k: [20]`"
                )
            for encoder_name in group.encoders or _roots(config):
                for clusters in _sizes(group):
                    _add_runs(plan, group, dataset, encoder_name, clusters)
    check_cells(plan)
    add_probes(plan, _roots(config), partial(_members, plan))
    add_criteria(plan)
    return plan


def _refuse_one_id(known: PlannedDataset, added: PlannedDataset) -> None:
    if known is not added:
        raise UserError(
            f"datasets: {known.name!r} and {added.name!r} would share their files, whose names keep only the "
            "letters a to z, digits and hyphens: choose names that differ in these, whatever their case"
        )


def _roots(config: Config) -> list[str]:
    """Return the encoders that do not go on from another one."""
    return [name for name, entry in config.encoders.items() if getattr(entry, "start", None) is None]


def _sizes(group: Clusterings) -> list[Clusters]:
    return [Clusters(k, None) for k in group.k or []] or [Clusters(None, factor) for factor in group.factors]


def _add_runs(
    plan: Plan, group: Clusterings, dataset: PlannedDataset, encoder: str, clusters: Clusters
) -> None:
    seeds = group.seeds or plan.config.seeds
    chosen = taken(plan.config, group, encoder)
    if group.method in HEAD_METHODS:
        members = _members(plan, encoder, dataset, seeds, clusters)
    else:
        own = own_clusters(plan.config.encoders[chosen.encoder], dataset, clusters)
        members = _taken_members(plan, chosen, _members(plan, chosen.encoder, dataset, seeds, own))
        for member in members if group.extras is True and group.protocol == "clean" else ():
            _add_purity(plan, encoder, member.features, dataset)
    for reducer in group.reducers:
        run = _make_run(plan, group, encoder, chosen, dataset, members, reducer, clusters)
        plan.runs.setdefault(run.id, run)


def _row(config: Config, method: str, encoder: str) -> str:
    """Return the encoder whose row a run is: of a head, beside k-means on it, that at the beginning."""
    start = getattr(config.encoders[encoder], "start", None) if method in HEAD_METHODS else None
    return encoder if start is None else _row(config, method, start)


def _taken_members(plan: Plan, chosen: Taken, members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Return members on the features that the reference code extracted, if its deviations are asked for."""
    if not chosen.deviations:
        return members
    return tuple(
        replace(
            member,
            features=planned_features(
                plan, member.features.encoder, chosen.output, deviations=chosen.deviations
            ),
        )
        for member in members
    )


def _make_run(
    plan: Plan,
    group: Clusterings,
    encoder: str,
    chosen: Taken,
    dataset: PlannedDataset,
    members: tuple[Member, ...],
    reducer: Reducer,
    clusters: Clusters,
) -> Run:
    transfer = tuple(
        (plan.dataset(entry.dataset), entry.label_map) for entry in plan.config.transfer.get(dataset.name, [])
    )
    run = Run(
        "",
        _row(plan.config, group.method, encoder),
        chosen.encoder,
        group.word,
        group.method,
        dataset,
        members,
        reducer,
        clusters,
        group.options.given(),
        transfer,
        group.protocol,
        chosen.deviations,
        extras=group.extras,
    )
    seeds = [[member.features.id, list(member.seeds)] for member in members]
    targets = [[target.id, counted_as(label_map)] for target, label_map in transfer]
    definition = run.definition() | {"members": seeds, "transfer": targets, "protocol": run.protocol}
    definition |= {"deviations": run.deviations} if run.deviations else {}
    return replace(run, id=identity(f"{group.method}-{clusters.slug}", definition))


def _members(
    plan: Plan, name: str, dataset: PlannedDataset, seeds: int, clusters: Clusters | None = None
) -> tuple[Member, ...]:
    """Return the features of an encoder with the seeds that cluster them: one encoder per seed if seeded.

    Two encoders may differ in their output alone: they are one training with features of both kinds.
    """
    definition = plan.config.encoders[name]
    assert definition is not None, "load_config fills empty entries"
    output = definition.output
    if _is_seeded(plan, name):
        encoders = [_add_encoder(plan, name, seed, dataset, clusters) for seed in range(seeds)]
        return tuple(Member(planned_features(plan, each, output), (each.seed or 0,)) for each in encoders)
    seed = None if isinstance(definition, PixelsEncoder | FileEncoder) else 0
    encoder = _add_encoder(plan, name, seed, dataset, clusters)
    return (Member(planned_features(plan, encoder, output), tuple(range(seeds))),)


def _is_seeded(plan: Plan, name: str) -> bool:
    """Whether an encoder is trained or drawn anew for every seed."""
    definition = plan.config.encoders[name]
    return not isinstance(definition, PixelsEncoder | FileEncoder) and (
        definition is not None and definition.encoder_seeds is None
    )


def _add_encoder(
    plan: Plan, name: str, seed: int | None, dataset: PlannedDataset, clusters: Clusters | None = None
) -> PlannedEncoder:
    definition = plan.config.encoders[name]
    assert definition is not None, "load_config fills empty entries"
    trained_on = start = neighbours = cached = selection = None
    if isinstance(definition, TrainedEncoder):
        trained_on = plan.dataset(definition.trained_on) if definition.trained_on else dataset
        selection = _selection(name, definition, trained_on)
        if definition.start:
            start = _add_start(plan, definition.start, seed, dataset, clusters)
            if definition.neighbours:
                neighbours = _neighbours(plan, definition.start, start, trained_on, definition.neighbours)
            if definition.cached_views:
                cached = _cached_features(plan, name, start, definition, seed or 0)
    what = encoder_identity(definition) | {
        "seed": seed,
        "trained_on": trained_on.id if trained_on else None,
        "start": start.id if start else None,
        "neighbours": neighbours.id if neighbours else None,
        "clusters": [clusters.k, clusters.factor] if clusters else None,
    }
    what |= {"cached_views": cached.views.id} if cached else {}
    encoder_id = identity(_slug(definition), what)
    encoder = PlannedEncoder(
        encoder_id, name, seed, definition, trained_on, start, neighbours, clusters, cached, selection
    )
    _refuse_other_file(plan.encoders.setdefault(encoder_id, encoder), encoder)
    return plan.encoders[encoder_id]


def _refuse_other_file(known: PlannedEncoder, added: PlannedEncoder) -> None:
    """Refuse another checkpoint of the same origin, unless its hash tells it apart."""
    files = [each.definition for each in (known, added) if isinstance(each.definition, FileEncoder)]
    if len({file.place for file in files if file.sha256 is None}) > 1:
        raise UserError(
            f"encoders.{added.name}: another file than that of {known.name!r}, but of the same origin: give "
            "the `sha256` of both to tell them apart"
        )


def _selection(name: str, definition: TrainedEncoder, dataset: PlannedDataset) -> str | None:
    """Return the evaluation split if an objective asks to choose by its images, or snapshots are of them."""
    chosen_by = definition.objective.options.get("selection") == "evaluation"
    if not chosen_by and definition.snapshots is None:
        return None
    if dataset.evaluation_split is None:
        key = "objective.options.selection" if chosen_by else "snapshots"
        raise UserError(f"encoders.{name}.{key}: {dataset.name} has only its train split")
    return dataset.evaluation_split


def _add_start(
    plan: Plan, name: str, seed: int | None, dataset: PlannedDataset, clusters: Clusters | None
) -> PlannedEncoder:
    """Return the encoder that another goes on from, of the same seed, and clusters if it has any."""
    definition = plan.config.encoders[name]
    same_seed = (
        seed if _is_seeded(plan, name) else None if isinstance(definition, PixelsEncoder | FileEncoder) else 0
    )
    return _add_encoder(plan, name, same_seed, dataset, clusters if is_clustering(definition) else None)


def _cached_features(
    plan: Plan, name: str, start: PlannedEncoder, definition: TrainedEncoder, seed: int
) -> CachedFeatures:
    """Return the features that a training with a frozen `start` reads in place of images."""
    if definition.preprocessing.resolved() != start.definition.preprocessing.resolved():
        raise UserError(
            f"encoders.{name}.preprocessing: cached views are features of {start.name!r}: it must be the same"
        )
    views = Views(definition.cached_views or 1, definition.train_augmentation or [], seed)
    return CachedFeatures(
        planned_features(plan, start, "pooled", views), planned_features(plan, start, "pooled")
    )


def _neighbours(
    plan: Plan, name: str, start: PlannedEncoder, dataset: PlannedDataset, settings: StartNeighbours
) -> Neighbours:
    features = planned_features(plan, start, settings.output)
    what: dict[str, object] = {"features": features.id, "k": settings.k, "oracle": settings.oracle}
    what |= {"approximate": True} if settings.approximate else {}
    neighbours_id = identity(f"neighbours-k{settings.k}{'-oracle' if settings.oracle else ''}", what)
    mined = Neighbours(
        neighbours_id, name, features, dataset, settings.k, settings.oracle, settings.approximate
    )
    return plan.neighbours.setdefault(f"{neighbours_id}/{dataset.id}", mined)


def _add_purity(plan: Plan, encoder: str, features: Features, dataset: PlannedDataset) -> None:
    """Plan the neighbour sets of the purity figure."""
    settings = plan.config.neighbours
    if (features.encoder.seed or 0) >= settings.encoder_seeds:
        return
    wanted = StartNeighbours(k=settings.k, output=features.output, approximate=settings.approximate)
    mined = _neighbours(plan, encoder, features.encoder, dataset, wanted)
    plan.purity.setdefault(f"{mined.id}/{dataset.id}", replace(mined, encoder=encoder))


def _slug(definition: Encoder) -> str:
    if isinstance(definition, PixelsEncoder):
        return "pixels"
    if isinstance(definition, RandomEncoder):
        return f"random-{definition.architecture.name}"
    if isinstance(definition, FileEncoder):
        return definition.slug
    return definition.objective.name
