"""What some figures need to know beyond the results, spelled out as plain values for their jobs."""

from __future__ import annotations

from typing import Any

from clusterprobe.config import paths
from clusterprobe.config.cells import shown_files, shown_run
from clusterprobe.config.encoders import TrainedEncoder
from clusterprobe.config.errors import UserError
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.planned import Plan, Run
from clusterprobe.config.targets import default_runs

_SWEPT = {
    "scan-neighbours": ("scan", "neighbours"),
    "scan-threshold": ("selflabel", "threshold"),
    "mmdc-sigma": ("mmdc", "sigma"),
    "mmdc-views": ("mmdc", "views"),
    "cld-weight": ("kmeans", "weight"),
    "cld-temperature": ("kmeans", "temperature"),
}
"""Figures of ablations: the method, and the option of the objective that varies."""

_CONTRASTIVE = ("simclr", "npid", "moco", "byol", "cld")


def prototypes_run(plan: Plan, figure: str) -> Run:
    """Return the run that `prototypes` (the last default run) or `prototypes-METHOD` (of METHOD) shows.

    Raises UserError if there is none.
    """
    method = figure.removeprefix("prototypes").removeprefix("-")
    runs = [run for run in default_runs(plan) if method in ("", run.method)]
    if not runs:
        raise UserError(f"figure {figure!r}: there is no clustering by {method!r} of the variant default")
    return runs[-1]


def prototypes_cell(plan: Plan, run: Run) -> dict[str, Any]:
    """Return what the prototypes of a run are picked by: its first seed, and of a head the network."""
    first = run.members[0]
    is_head = run.method in HEAD_METHODS
    network = f"data/encoders/{first.features.encoder.id}" if is_head else None
    return shown_run(plan, run) | {"seed": first.seeds[0], "network": network}


def prototypes_inputs(plan: Plan, run: Run) -> list[str]:
    """Return the files that `prototypes_cell` names, where the images lie left out."""
    is_head = run.method in HEAD_METHODS
    network = paths.trained_files(run.members[0].features.encoder.id) if is_head else []
    return [*shown_files(shown_run(plan, run)), *network]


def neighbours_cell(plan: Plan) -> dict[str, str]:
    """Return the neighbour sets that are shown: those that a default run was trained on, or the last mined.

    Raises UserError if none are mined.
    """
    trained_on = [run.members[0].features.encoder.neighbours for run in default_runs(plan)]
    candidates = [*plan.neighbours.values(), *trained_on]
    mined = [found for found in candidates if found and not found.oracle and not found.features.encoder.seed]
    if not mined:
        raise UserError("figure 'neighbours': no neighbours are mined; method scan and k-means ask for them")
    last = mined[-1]
    return {
        "encoder": plan.title("encoder", last.encoder),
        "dataset": last.dataset.name,
        "neighbours": paths.neighbours(last),
        "manifest": paths.manifest(last.dataset, "train"),
        "location": paths.location(last.dataset, "train"),
    }


def variant_histories(plan: Plan, method: str) -> list[dict[str, Any]]:
    """Return every training of a method on the first data set by its variant, and where its history lies."""
    return [
        {
            "encoder": run.variant,
            "encoder_seed": member.features.encoder.seed,
            "log": f"data/encoders/{member.features.encoder.id}/training.jsonl",
        }
        for run in plan.runs.values()
        if (run.method, run.dataset.name) == (method, plan.config.fit[0])
        for member in run.members
    ]


def found_labels(plan: Plan, figure: str) -> list[dict[str, Any]]:
    """Return every training by SeLa of a default run, and where its labels over time lie; for its figure."""
    return [
        {
            "encoder": plan.title("encoder", run.network),
            "encoder_seed": member.features.encoder.seed,
            "found": paths.found_files(member.features.encoder.id)[0],
            "manifest": paths.manifest(member.features.encoder.trained_on or run.dataset, "train"),
        }
        for run in plan.runs.values()
        if figure == "sela-agreement" and (run.method, run.variant) == ("sela", "default")
        for member in run.members
    ]


def compared_features(plan: Plan, figure: str) -> list[dict[str, Any]]:
    """Return the features of default k-means runs on contrastive encoders, first seed; for their figure."""
    found = []
    for run in _contrastive_runs(plan) if figure == "similarities" else ():
        split = run.dataset.evaluation_split or "train"
        found.append(
            {
                "dataset": plan.title("dataset", run.dataset.name),
                "encoder": plan.title("encoder", run.network),
                "shards": paths.shards(run.members[0].features, run.dataset, split),
                "manifest": paths.manifest(run.dataset, split),
            }
        )
    return found


def retrieval_cell(plan: Plan) -> dict[str, Any]:
    """Return whose neighbours are shown: default k-means runs on contrastive encoders of the first data set.

    Raises UserError if there are none.
    """
    runs = _contrastive_runs(plan)
    if not runs:
        raise UserError(
            "figure 'retrieval': there is no default clustering by 'kmeans' of a contrastive encoder"
        )
    dataset = runs[0].dataset
    split = dataset.evaluation_split or "train"
    return {
        "dataset": plan.title("dataset", dataset.name),
        "split": split,
        "manifest": paths.manifest(dataset, split),
        "location": paths.location(dataset, split),
        "train_manifest": paths.manifest(dataset, "train"),
        "train_location": paths.location(dataset, "train"),
        "encoders": [
            {
                "encoder": plan.title("encoder", run.network),
                "queries": paths.shards(run.members[0].features, dataset, split),
                "bank": paths.shards(run.members[0].features, dataset, "train"),
            }
            for run in runs
            if run.dataset == dataset
        ],
    }


def retrieval_inputs(plan: Plan) -> list[str]:
    """Return the files that `retrieval_cell` names, where the images lie left out."""
    cell = retrieval_cell(plan)
    shards = [shard for entry in cell["encoders"] for shard in (*entry["queries"], *entry["bank"])]
    return sorted({cell["manifest"], cell["train_manifest"], *shards})


def snapshots_cell(plan: Plan) -> list[dict[str, Any]]:
    """Return every training of a first seed that keeps snapshots, on the data set of the first of them.

    Raises UserError if there are none.
    """
    kept = _with_snapshots(plan, "snapshots")
    return [
        entry for entry in kept if (entry["dataset"], entry["encoder_seed"] or 0) == (kept[0]["dataset"], 0)
    ]


def snapshot_courses(plan: Plan, figure: str) -> list[dict[str, Any]]:
    """Return every training that keeps snapshots, for figure `knn-epochs`; nothing for other figures."""
    return _with_snapshots(plan, figure) if figure == "knn-epochs" else []


def _with_snapshots(plan: Plan, figure: str) -> list[dict[str, Any]]:
    kept = []
    for encoder in plan.encoders.values():
        keeps = isinstance(encoder.definition, TrainedEncoder) and encoder.definition.snapshots
        if keeps and encoder.trained_on and encoder.selection:
            kept.append(
                {
                    "dataset": plan.title("dataset", encoder.trained_on.name),
                    "encoder": plan.title("encoder", encoder.name),
                    "encoder_seed": encoder.seed,
                    "found": paths.found_files(encoder.id)[0],
                    "manifest": paths.manifest(encoder.trained_on, encoder.selection),
                }
            )
    if not kept:
        raise UserError(
            f"figure {figure!r}: no trained encoder that is used keeps snapshots; give one `snapshots`"
        )
    return kept


def _contrastive_runs(plan: Plan) -> list[Run]:
    """Return the default k-means runs on encoders that learn by telling images apart."""
    found = []
    for run in plan.runs.values():
        plain = (run.method, run.variant, run.protocol) == ("kmeans", "default", "clean")
        if plain and _objective(plan, run) in _CONTRASTIVE:
            found.append(run)
    return found


def _objective(plan: Plan, run: Run) -> str | None:
    """Return the name of the objective that the encoder of a run was trained by; None if it was not."""
    definition = plan.config.encoders[run.network]
    return definition.objective.name if isinstance(definition, TrainedEncoder) else None


def cluster_examples_cell(plan: Plan, figure: str) -> dict[str, Any]:
    """Return the clusters of which `sela-low-entropy` or `sela-random` shows some: of the last default run.

    Raises UserError if there is none by SeLa.
    """
    runs = [run for run in default_runs(plan) if run.method == "sela"]
    if not runs:
        raise UserError(f"figure {figure!r}: there is no clustering by 'sela' of the variant default")
    run = runs[-1]
    seen = {"seed": run.members[0].seeds[0], "train_location": paths.location(run.dataset, "train")}
    return shown_run(plan, run) | seen | {"choice": figure.removeprefix("sela-")}


def filters_cell(plan: Plan) -> dict[str, Any]:
    """Return the network whose first filters are shown: that of the last default run with a trained one.

    Raises UserError if there is none.
    """
    trained = [
        run
        for run in default_runs(plan)
        if isinstance(run.members[0].features.encoder.definition, TrainedEncoder)
    ]
    if not trained:
        raise UserError("figure 'first-filters': there is no default run with a network that is trained here")
    encoder = trained[-1].members[0].features.encoder
    return {"encoder": plan.title("encoder", encoder.name), "network": f"data/encoders/{encoder.id}"}


def swept_defaults(plan: Plan, figure: str) -> dict[str, float]:
    """Return where a figure of ablations has the default runs on its axis, named as in `attrs` of its frame.

    Nothing for other figures, where default runs disagree, and where the configuration leaves the value to
    the objective.
    """
    method, option = _SWEPT.get(figure, (None, None))
    runs = [run for run in plan.runs.values() if run.method == method]
    if method == "kmeans":
        runs = _with_variants(plan, runs, f"{option}-")
    found = {_value(run, str(option)) for run in runs if run.variant == "default"}
    known = found - {None}
    return {f"default_{option}": float(known.pop())} if len(known) == len(found) == 1 else {}


def _with_variants(plan: Plan, runs: list[Run], prefix: str) -> list[Run]:
    """Return the runs on encoders trained with CLD of whose title there is a variant with a prefix."""
    runs = [run for run in runs if _objective(plan, run) == "cld"]
    varied = {plan.title("encoder", run.encoder) for run in runs if run.variant.startswith(prefix)}
    return [run for run in runs if plan.title("encoder", run.encoder) in varied]


def _value(run: Run, option: str) -> Any:
    """Return an option of the objective of an encoder; without a limit, neighbours are all that are mined."""
    definition = run.members[0].features.encoder.definition
    assert isinstance(definition, TrainedEncoder), "heads and CLD belong to trained encoders"
    mined = definition.neighbours.k if definition.neighbours and option == "neighbours" else None
    return definition.objective.options.get(option, mined)
