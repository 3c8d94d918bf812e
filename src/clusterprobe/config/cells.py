"""What one run reads and is asked to do, spelled out as plain values for its jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from clusterprobe.config import paths
from clusterprobe.config.deviations import SCORING
from clusterprobe.config.encoders import FileEncoder, Named, TrainedEncoder
from clusterprobe.config.label_maps import counted_as, located
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.planned import Features, Neighbours, Plan, PlannedDataset, PlannedEncoder, Run


def clustered_splits(run: Run) -> Iterator[tuple[PlannedDataset, str]]:
    """Yield every split that a run assigns: those of the fitted data set, then the transfer sets."""
    for dataset in (run.dataset, *(target for target, _ in run.transfer)):
        for split in dataset.splits:
            yield dataset, split


def fitting_cell(run: Run) -> dict[str, Any]:
    """Return method, clusters, reducer and, for each member, its seeds and the files of its features."""
    return run.definition() | {
        "facts": paths.facts(run.dataset, "train"),
        "members": [
            {
                "encoder_seed": member.features.encoder.seed,
                "seeds": list(member.seeds),
                "fits": f"data/clusterings/fits/{run.fit_id(member)}",
                "basis": paths.basis(member.features, run.dataset) if run.reducer.name == "pca" else None,
                "splits": [
                    {
                        "dataset": dataset.name,
                        "split": split,
                        "manifest": paths.manifest(dataset, split),
                        "shards": paths.shards(member.features, dataset, split),
                    }
                    | ({"raw": True} if _is_raw(run, dataset) else {})
                    for dataset, split in clustered_splits(run)
                ],
            }
            for member in run.members
        ],
    }


def _is_raw(run: Run, dataset: PlannedDataset) -> bool:
    return "raw-transfer-features" in run.deviations and dataset != run.dataset


def fitting_inputs(run: Run) -> list[str]:
    """Return every file that `fitting_cell` names."""
    cell = fitting_cell(run)
    files = [cell["facts"]]
    for member in cell["members"]:
        files += [member["basis"]] if member["basis"] else []
        for part in member["splits"]:
            files += [part["manifest"], *part["shards"]]
    return sorted(set(files))


def shares_rows(run: Run) -> bool:
    """Whether several GPUs can share the rows of a fit: mini-batches and traces of passes stay on arrays."""
    return run.method != "minibatch-kmeans" and not run.options.get("trace")


def assigning_cell(run: Run) -> dict[str, Any]:
    """Return, for each trained network of a run, its seeds and the images that its head assigns."""
    return {
        "members": [
            {
                "encoder": f"data/encoders/{member.features.encoder.id}",
                "encoder_seed": member.features.encoder.seed,
                "seeds": list(member.seeds),
                "splits": [
                    {
                        "dataset": dataset.name,
                        "split": split,
                        "manifest": paths.manifest(dataset, split),
                        "location": paths.location(dataset, split),
                    }
                    for dataset, split in clustered_splits(run)
                ],
            }
            for member in run.members
        ],
    }


def assigning_inputs(run: Run) -> list[str]:
    """Return the networks and manifests that `assigning_cell` names, where the images lie left out."""
    files = [paths.manifest(dataset, split) for dataset, split in clustered_splits(run)]
    for member in run.members:
        files += paths.trained_files(member.features.encoder.id)
    return sorted(set(files))


def locations(run: Run) -> list[str]:
    """Return the files that say where the images of a run lie."""
    return [paths.location(dataset, split) for dataset, split in clustered_splits(run)]


def objective_modules(objective: Named) -> list[str]:
    """Return the modules that hold an objective and, if it stands on another one, its `base`."""
    base = objective.options.get("base")
    names = [objective.name, *([base["name"]] if isinstance(base, dict) and "name" in base else [])]
    return [f"clusterprobe.objectives.{name}" for name in names]


def training_inputs(encoder: PlannedEncoder) -> dict[str, Any]:
    """Return the files that a training reads, by the names of the fields of runs.ingredients.Ingredients.

    Where the images lie is left out, see `training_locations`.
    """
    dataset, selection = encoder.trained_on, encoder.selection
    assert dataset is not None, "only trained encoders are trained"
    files: dict[str, Any] = {
        "manifest": paths.manifest(dataset, "train"),
        "facts": paths.facts(dataset, "train"),
    }
    if selection:
        files["selection_manifest"] = paths.manifest(dataset, selection)
    if encoder.cached:
        files["views"] = paths.shards(encoder.cached.views, dataset, "train")
        files["plain"] = paths.shards(encoder.cached.plain, dataset, "train")
        if selection:
            files["selection_plain"] = paths.shards(encoder.cached.plain, dataset, selection)
    if encoder.start:
        trained = encoder.start.definition.kind == "trained"
        files["start"] = (paths.trained_files if trained else paths.encoder_files)(encoder.start.id)
        files["start"] += paths.found_files(encoder.start.id) if trained else []
    if encoder.neighbours:
        files["neighbours"] = paths.neighbours(encoder.neighbours)
    return files


def training_locations(encoder: PlannedEncoder) -> dict[str, str]:
    """Return the files that say where the images of a training lie; one on cached views needs no images."""
    dataset, selection = encoder.trained_on, encoder.selection
    assert dataset is not None, "only trained encoders are trained"
    if encoder.cached:
        return {}
    found = {"location": paths.location(dataset, "train")}
    return found | ({"selection_location": paths.location(dataset, selection)} if selection else {})


def evaluation_cell(run: Run) -> dict[str, Any]:
    """Return which columns the results of a run carry and where the labels of its splits lie."""
    deviations = [each for each in SCORING if each in run.deviations]
    return ({"deviations": deviations} if deviations else {}) | {
        "columns": {
            "fit_dataset": run.dataset.name,
            "reducer": None if run.method in HEAD_METHODS else run.reducer.name,
            "method": run.method,
            "protocol": run.protocol,
            "run": run.id,
        },
        "encoders": [encoder_columns(member.features) for member in run.members],
        "manifests": [
            {
                "dataset": dataset.name,
                "split": split,
                "manifest": paths.manifest(dataset, split),
                "facts": paths.facts(dataset, split),
            }
            | ({} if dataset.definition.labelled else {"labelled": False})
            for dataset, split in clustered_splits(run)
        ],
        "label_maps": {target.name: counted_as(label_map) for target, label_map in run.transfer},
    }


def label_maps(run: Run) -> dict[str, str]:
    """Return for each transfer set of a run the name of its label map, or where it lies."""
    return {target.name: located(label_map) for target, label_map in run.transfer}


def evaluation_inputs(run: Run) -> dict[str, Any]:
    """Return the files that the evaluation of a run reads."""
    labels = [
        path(dataset, split)
        for dataset, split in clustered_splits(run)
        for path in (paths.manifest, paths.facts)
    ]
    return {"model": paths.model(run), "assignments": paths.assignments(run), "labels": labels}


def readable_names(plan: Plan) -> dict[str, dict[str, str]]:
    """Return, for every run and neighbour set, the names that tables show."""
    names = {
        run.id: {"encoder": plan.title("encoder", run.encoder), "variant": run.variant}
        for run in plan.runs.values()
    }
    for mined in plan.purity.values():
        names[mined.id] = {"encoder": plan.title("encoder", mined.encoder), "variant": "default"}
    for probe in plan.probes.values():
        names[probe.id] = {"encoder": plan.title("encoder", probe.encoder), "variant": probe.variant}
    return names


def encoder_columns(features: Features) -> dict[str, Any]:
    """Return the columns of results that say which features a row is about."""
    return {
        "encoder_id": features.encoder.id,
        "encoder_seed": features.encoder.seed,
        "features": features.id,
    }


def neighbour_columns(mined: Neighbours) -> dict[str, Any]:
    """Return which columns the purity of a neighbour set carries."""
    return encoder_columns(mined.features) | {
        "fit_dataset": mined.dataset.name,
        "dataset": mined.dataset.name,
        "split": "train",
        "protocol": "clean",
        "run": mined.id,
    }


def shown_run(plan: Plan, run: Run) -> dict[str, Any]:
    """Return what figures and galleries need to know of a run: names, files, the split that is shown."""
    split = run.dataset.evaluation_split or "train"
    name = plan.title("encoder", run.encoder)
    return {
        "encoder": f"{name}, {run.method}" if run.method in HEAD_METHODS else name,
        "method": run.method,
        "dataset": run.dataset.name,
        "split": split,
        "assignments": paths.assignments(run),
        "model": paths.model(run),
        "train_manifest": paths.manifest(run.dataset, "train"),
        "manifest": paths.manifest(run.dataset, split),
        "location": paths.location(run.dataset, split),
        "facts": paths.facts(run.dataset, "train"),
        "superclasses": run.dataset.definition.class_order,
    }


def histories(plan: Plan) -> list[dict[str, Any]]:
    """Return every training that the default runs hang on, and where its history lies."""
    found: dict[str, dict[str, Any]] = {}
    for run in plan.runs.values():
        for member in run.members if run.variant == "default" else ():
            encoder: PlannedEncoder | None = member.features.encoder
            while encoder is not None and isinstance(encoder.definition, TrainedEncoder):
                found[encoder.id] = {
                    "encoder": plan.title("encoder", encoder.name),
                    "encoder_seed": encoder.seed,
                    "objective": encoder.definition.objective.name,
                    "log": f"data/encoders/{encoder.id}/training.jsonl",
                }
                encoder = encoder.start
    return list(found.values())


def shown_files(shown: dict[str, Any]) -> list[str]:
    """Return the files that `shown_run` names, where the images lie left out."""
    return [shown[name] for name in ("assignments", "model", "train_manifest", "manifest", "facts")]


def overview(plan: Plan) -> dict[str, Any]:
    """Return what the first page of the report says about the question that was asked."""
    return {
        "title": plan.config.title or plan.config.name,
        "datasets": [
            {
                "name": plan.title("dataset", dataset.name),
                "dataset": dataset.name,
                "facts": {split: paths.facts(dataset, split) for split in dataset.splits},
            }
            for dataset in plan.datasets.values()
        ],
        "encoders": [
            {
                "name": plan.title("encoder", name),
                "seen": definition.seen if definition else None,
                "licence": definition.licence if definition else None,
            }
            for name, definition in plan.config.encoders.items()
        ],
        "methods": sorted({run.method for run in plan.runs.values()}),
        "seeds": plan.config.seeds,
    }


def encoder_facts(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return by the readable name of each encoder what it saw, and a quoted linear accuracy in percent."""
    found = {}
    for name, definition in plan.config.encoders.items():
        linear = definition.linear if isinstance(definition, FileEncoder) else None
        found[plan.title("encoder", name)] = {
            "seen": definition.seen if definition else None,
            "linear": linear.top1 if linear else None,
        }
    return found


def planned_ids(plan: Plan) -> list[str]:
    """Return the ids of everything that this experiment makes or uses."""
    mined = [neighbours.id for neighbours in plan.neighbours.values()]
    return sorted([*plan.datasets, *plan.encoders, *plan.features, *mined, *plan.runs, *plan.probes])
