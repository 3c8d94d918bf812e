"""What the jobs of a folder of pictures read and are asked to do, spelled out as plain values."""

from __future__ import annotations

from typing import Any

from clusterprobe.config import paths
from clusterprobe.config.cells import fitting_cell
from clusterprobe.config.errors import UserError
from clusterprobe.config.model import HEAD_METHODS
from clusterprobe.config.planned import Plan, Run
from clusterprobe.config.probe_cells import scoring_cell

SPLIT = "train"
"""The split of a folder of pictures: all of them."""


def candidates(plan: Plan) -> list[Run]:
    """Return the runs that the clustering is chosen from: those of the first group of `clusterings`.

    Raises UserError for a configuration that leaves open what `pictures` should show.
    """
    group = plan.config.clusterings[0]
    runs = [run for run in plan.runs.values() if (run.method, run.variant) == (group.method, group.variant)]
    heads = group.method in HEAD_METHODS
    _check(len({(run.dataset.id, run.network) for run in runs}) == 1, "takes one data set and one encoder")
    _check(len(runs[0].members) == 1, "takes one network, not one for each seed: say `encoder_seeds: 1`")
    _check(len(runs) == 1 or plan.config.criteria is not None, "chooses among several k by `criteria`")
    _check(heads or all(run.reducer.name == "none" for run in runs), "takes the reducer {name: none}")
    settings = plan.config.pictures
    merges = settings is not None and settings.merge_to is not None
    _check(not (heads and merges), "merges clusters with centres only: `merge_to` has no meaning for heads")
    return runs


def check_pictures(plan: Plan) -> None:
    """Raise UserError for a configuration whose `pictures` leave open what they should show."""
    if plan.config.pictures is not None:
        candidates(plan)


def choice_path(plan: Plan) -> str:
    """Return the file that says which number of clusters was chosen."""
    return f"data/pictures/{plan.config.name}/choice.json"


def choosing_cell(plan: Plan) -> list[dict[str, Any]]:
    """Return the candidates with the files of their criteria; none where there is nothing to choose."""
    runs = candidates(plan)
    return [
        {"k": run.clusters.k, "run": run.id, "criteria": paths.criteria(run) if len(runs) > 1 else None}
        for run in runs
    ]


def tried_together(plan: Plan) -> list[dict[str, Any]]:
    """Return what one job fits and judges, a number of clusters each; nothing where there is no choice.

    Heads are trained, each number by itself.
    """
    if plan.config.pictures is None or plan.config.clusterings[0].method in HEAD_METHODS:
        return []
    runs = candidates(plan)
    scored = [plan.criteria[run.id] for run in runs if run.id in plan.criteria]
    if len(runs) == 1 or len(scored) != len(runs):
        return []
    return [
        {
            "run": run.id,
            "fitting": fitting_cell(run),
            "scoring": scoring_cell(of_run, plan.config),
            "model": paths.model(run),
            "assignments": paths.assignments(run),
            "criteria": paths.criteria(run),
        }
        for run, of_run in zip(runs, scored, strict=True)
    ]


def thumbnails_path(plan: Plan) -> str:
    """Return the file with the thumbnails of the pictures."""
    return f"data/thumbnails/{candidates(plan)[0].dataset.id}/{SPLIT}.parquet"


def arranging_cell(plan: Plan) -> dict[str, Any]:
    """Return all that is known of the pictures, and for each candidate its files."""
    runs, settings = candidates(plan), plan.config.pictures
    assert settings is not None, "asked for only where the configuration has `pictures`"
    run = runs[0]
    features, dataset = run.members[0].features, run.dataset
    return {
        "dataset": dataset.name,
        "split": SPLIT,
        "labelled": dataset.definition.labelled,
        "manifest": paths.manifest(dataset, SPLIT),
        "facts": paths.facts(dataset, SPLIT),
        "thumbnails": thumbnails_path(plan),
        "choice": choice_path(plan),
        "encoder": f"data/encoders/{features.encoder.id}",
        "output": features.output,
        "shards": paths.shards(features, dataset, SPLIT),
        "method": run.method,
        "heads": run.method in HEAD_METHODS,
        "normalise": run.reducer.normalise,
        "candidates": {
            each.id: {"model": paths.model(each), "assignments": paths.assignments(each)} for each in runs
        },
        "settings": settings.model_dump(mode="json"),
    }


def arranging_inputs(plan: Plan) -> list[str]:
    """Return every file that `arranging_cell` names."""
    cell = arranging_cell(plan)
    files = [cell[name] for name in ("manifest", "facts", "thumbnails", "choice")]
    encoder = candidates(plan)[0].members[0].features.encoder
    trained = encoder.definition.kind == "trained"
    files += (paths.trained_files if trained else paths.encoder_files)(encoder.id)
    for entry in cell["candidates"].values():
        files += entry.values()
    return sorted({*files, *cell["shards"]})


def about(plan: Plan) -> list[str]:
    """Return sentences about the run for its gallery."""
    run = candidates(plan)[0]
    definition = run.members[0].features.encoder.root.definition
    licence = f" Licence of its weights: {definition.licence}." if definition.licence else ""
    return [f"Encoder: {plan.title('encoder', run.encoder)}.{licence} Method: {run.method}."]


def picture_files(plan: Plan) -> list[str]:
    """Return what a person gets, below reports/."""
    if plan.config.pictures is None:
        return []
    names = ("assignments.csv", "duplicates.csv", "skipped.csv", "gallery.html", "choice.html", "model")
    return [f"reports/{plan.config.name}/{name}" for name in names]


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise UserError(f"pictures: {message}")
