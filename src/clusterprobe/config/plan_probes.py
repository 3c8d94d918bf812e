"""What is asked of features besides clustering, on the plan: probes with labels, criteria without them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from clusterprobe.config import probes
from clusterprobe.config.errors import UserError
from clusterprobe.config.identity import identity
from clusterprobe.config.own_clusters import own_clusters
from clusterprobe.config.planned import Clusters, Member, Plan, PlannedDataset, Probe, ScoredRun, Views
from clusterprobe.config.planned_features import planned_features

Members = Callable[[str, PlannedDataset, int, Clusters | None], tuple[Member, ...]]
"""From encoder, data set, number of seeds and clusters to features, each with its seeds."""

SUPERVISED = ("linear",)
"""Methods of runs that no label-free criterion is computed for: they saw the labels."""

_VIEWS = 2
_VIEW_SEED = 0  # the same views for every encoder and setting: what differs is what is compared


def add_probes(plan: Plan, encoders: Sequence[str], members: Members) -> None:
    """Plan the probes; `encoders` are those of a group that names none."""
    for number, group in enumerate(plan.config.probes):
        for dataset in _datasets(plan, number, group):
            for encoder in group.encoders or encoders:
                for fraction in group.fractions:
                    _add_probe(plan, group, dataset, encoder, fraction, members)


def add_criteria(plan: Plan) -> None:
    """Plan the criteria of every run that saw no labels, as the protocol `clean` has it."""
    settings = plan.config.criteria
    if settings is None:
        return
    wanted = "view_agreement" in settings.chosen
    views = Views(_VIEWS, settings.augmentation or [], _VIEW_SEED) if wanted else None
    for run in plan.runs.values():
        chosen = settings.methods or [run.method]
        if not run.extras or run.method in SUPERVISED or run.method not in chosen:
            continue
        if run.protocol != "clean":
            continue
        features = [member.features for member in run.members]
        seen = [planned_features(plan, each.encoder, each.output, views) for each in features]
        plan.criteria[run.id] = ScoredRun(run, tuple(seen) if views else ())


def _datasets(plan: Plan, number: int, group: probes.Probe) -> list[PlannedDataset]:
    labelled = [name for name in plan.config.fit if plan.dataset(name).definition.labelled]
    found = [plan.dataset(name) for name in (labelled if group.datasets is None else group.datasets)]
    for dataset in found:
        definition = dataset.definition
        if not (definition.labelled or definition.multi_label):
            raise UserError(f"probes.{number}.datasets: {dataset.name} has no labels that could be read")
        if definition.multi_label and group.method != "linear":
            raise UserError(
                f"probes.{number}: images of {dataset.name} show several classes, and {group.method} reads "
                "one from each: take the method linear"
            )
        if group.method == "linear" and dataset.evaluation_split is None:
            raise UserError(
                f"probes.{number}: {dataset.name} has only its train split: there is nothing that a linear "
                "probe could be scored on; take the data set or the probe out"
            )
    return found


def _add_probe(
    plan: Plan,
    group: probes.Probe,
    dataset: PlannedDataset,
    encoder: str,
    fraction: float,
    members: Members,
) -> None:
    own = own_clusters(plan.config.encoders[encoder], dataset)
    found = members(encoder, dataset, group.seeds or plan.config.seeds, own)
    if group.output:
        found = tuple(
            Member(planned_features(plan, member.features.encoder, group.output), member.seeds)
            for member in found
        )
    if group.method == "knn" and fraction == 1:  # nothing is drawn: further seeds would say the same
        found = tuple(replace(member, seeds=member.seeds[:1]) for member in found)
    crops = tuple(
        planned_features(plan, member.features.encoder, member.features.output, crops=group.crops)
        for member in (found if group.crops > 1 else ())
    )
    variant, options = _variant(group, fraction), group.options.given()
    probe = Probe("", encoder, variant, group.method, dataset, found, fraction, options, crops=crops)
    probe = replace(probe, id=identity(f"probe-{group.method}", probe.definition()))
    plan.probes.setdefault(probe.id, probe)


def _variant(group: probes.Probe, fraction: float) -> str:
    words = [] if group.variant == "default" else [group.variant]
    words += [] if fraction == 1 else [f"labels-{100 * fraction:g}"]
    return "-".join(words) or "default"
