"""What one probe, or the criteria of one run, read and are asked to do, as plain values for their jobs."""

from __future__ import annotations

from typing import Any

from clusterprobe.config import paths
from clusterprobe.config.cells import encoder_columns
from clusterprobe.config.model import HEAD_METHODS, Config
from clusterprobe.config.planned import Probe, ScoredRun


def probing_cell(probe: Probe) -> dict[str, Any]:
    """Return method, options and columns of a probe and, for each member, its seeds and features."""
    dataset, split = probe.dataset, probe.dataset.evaluation_split or "train"
    scored = probe.crops or tuple(member.features for member in probe.members)
    return {
        "method": probe.method,
        "options": probe.options,
        "fraction": probe.fraction,
        "crops": scored[0].crops,
        "columns": {
            "fit_dataset": dataset.name,
            "dataset": dataset.name,
            "split": split,
            "method": probe.method,
            "protocol": probe.protocol,
            "run": probe.id,
        },
        "labels": {
            "train": paths.manifest(dataset, "train"),
            "scored": paths.manifest(dataset, split),
        },
        "members": [
            {
                "columns": encoder_columns(member.features),
                "seeds": list(member.seeds),
                "train": paths.shards(member.features, dataset, "train"),
                "scored": paths.shards(seen, dataset, split),
            }
            for member, seen in zip(probe.members, scored, strict=True)
        ],
    }


def probing_inputs(probe: Probe) -> list[str]:
    """Return every file that `probing_cell` names."""
    cell = probing_cell(probe)
    files = list(cell["labels"].values())
    for member in cell["members"]:
        files += [*member["train"], *member["scored"]]
    return sorted(set(files))


def scoring_cell(scored: ScoredRun, config: Config) -> dict[str, Any]:
    """Return which criteria a run gets and, for each member, its features and those of two views.

    There is no manifest among the files: labels cannot reach a criterion.
    """
    run, settings = scored.run, config.criteria
    assert settings is not None, "runs are scored only where the configuration asks for criteria"
    reduced = run.method not in HEAD_METHODS
    views: tuple[Any, ...] = scored.views or (None,) * len(run.members)
    return {
        "names": settings.chosen,
        "settings": settings.model_dump(mode="json", include={"images", "dims", "references", "folds"}),
        "reducer": run.reducer.model_dump(mode="json") if reduced else None,
        "spherical": run.method == "spherical-kmeans",
        "columns": {
            "fit_dataset": run.dataset.name,
            "dataset": run.dataset.name,
            "split": "train",
            "reducer": run.reducer.name if reduced else None,
            "method": run.method,
            "protocol": run.protocol,
            "run": run.id,
        },
        "members": [
            {
                "columns": encoder_columns(member.features),
                "seeds": list(member.seeds),
                "shards": paths.shards(member.features, run.dataset, "train"),
                "basis": paths.basis(member.features, run.dataset)
                if reduced and run.reducer.name == "pca"
                else None,
                "views": paths.shards(seen, run.dataset, "train") if seen else [],
            }
            for member, seen in zip(run.members, views, strict=True)
        ],
    }


def scoring_inputs(scored: ScoredRun, config: Config) -> dict[str, Any]:
    """Return the files that criteria are computed from: features, components, model and assignments."""
    files = []
    for member in scoring_cell(scored, config)["members"]:
        files += [*member["shards"], *member["views"], *([member["basis"]] if member["basis"] else [])]
    run = scored.run
    return {
        "features": sorted(set(files)),
        "model": paths.model(run),
        "assignments": paths.assignments(run),
    }
