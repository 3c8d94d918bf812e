"""What the scores after single passes of k-means are worked out from, spelled out as plain values."""

from __future__ import annotations

from typing import Any

from clusterprobe.config import paths
from clusterprobe.config.cells import encoder_columns, evaluation_cell, fitting_cell
from clusterprobe.config.planned import Plan, Run


def traced_runs(plan: Plan) -> list[Run]:
    """Return the runs whose fits keep centres on their way, as far as there are labels to score them by.

    Runs with some deviations are left out: many of them have the very fit of the clean run.
    """
    runs = [run for run in plan.runs.values() if run.options.get("trace") and run.dataset.definition.labelled]
    return [run for run in runs if run.protocol == "clean" or run.variant == "default"]


def passes_cell(run: Run) -> dict[str, Any]:
    """Return how the features of a run are opened, and which columns its scores carry."""
    cell = fitting_cell(run)
    members = [
        entry | {"columns": encoder_columns(member.features)}
        for entry, member in zip(cell["members"], run.members, strict=True)
    ]
    return cell | {"members": members, "columns": evaluation_cell(run)["columns"]}


def passes_inputs(run: Run) -> dict[str, Any]:
    """Return the files that `passes_cell` names for the fitted data set, and the model."""
    splits = [(run.dataset, split) for split in run.dataset.splits]
    files = [paths.facts(run.dataset, "train")]
    files += [paths.manifest(dataset, split) for dataset, split in splits]
    for member in run.members:
        files += [paths.basis(member.features, run.dataset)] if run.reducer.name == "pca" else []
        files += [path for dataset, split in splits for path in paths.shards(member.features, dataset, split)]
    return {"model": paths.model(run), "opened": sorted(set(files))}
