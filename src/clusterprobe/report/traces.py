"""The traces that jobs leave behind, gathered for one experiment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from clusterprobe.store.atomic import read_json
from clusterprobe.store.provenance import git_state, machine, versions


def files_of(folder: Path, suffix: str, ids: Iterable[str]) -> list[Path]:
    """Return the files below `folder` with a suffix and one of the ids in their path, sorted."""
    wanted = set(ids)
    return sorted(path for path in Path(folder).rglob(f"*{suffix}") if wanted & set(_words(path)))


def gather_provenance(logs: Path, ids: Iterable[str]) -> dict[str, Any]:
    """Return versions, commit, machine, and the record of every job that made one of `ids`."""
    records = [read_json(path) for path in files_of(logs, ".provenance.json", ids)]
    return {"versions": versions(), "git": git_state(Path.cwd()), "machine": machine(), "jobs": records}


def dataset_facts(datasets: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what the overview says of data sets: images per split, classes, images left out.

    An entry gives `name` (readable), `dataset` (its name in the results, if another) and `facts` ({split:
    path}). The side of the images is that of all splits, None where they differ.
    """
    described = []
    for dataset in datasets:
        facts = {split: read_json(Path(path)) for split, path in dataset["facts"].items()}
        classes = next(iter(facts.values()))["classes"]
        sides = {fact["side"] for fact in facts.values()}
        described.append(
            {
                "name": dataset["name"],
                "dataset": dataset.get("dataset", dataset["name"]),
                "side": sides.pop() if len(sides) == 1 else None,
                "splits": {split: fact["rows"] for split, fact in facts.items()},
                "classes": len(classes) if classes else None,
                "skipped": sum(len(fact["skipped"]) for fact in facts.values()),
            }
        )
    return described


def histories_frame(trainings: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return what trainings logged: encoder, encoder_seed, objective, epoch, name, value; a row per number.

    A training gives `encoder` (readable), `encoder_seed`, `log` (path of its training.jsonl) and, so that
    losses of several objectives stay apart, `objective`.
    """
    rows = []
    for training in trainings:
        fixed = {name: training.get(name, "") for name in ("encoder", "encoder_seed", "objective")}
        for line in Path(training["log"]).read_text(encoding="utf-8").splitlines():
            logged = json.loads(line)
            epoch = logged.pop("epoch")
            rows += [
                fixed | {"epoch": epoch, "name": name, "value": float(value)}
                for name, value in logged.items()
                if isinstance(value, int | float)
            ]
    return pd.DataFrame(rows, columns=["encoder", "encoder_seed", "objective", "epoch", "name", "value"])


def _words(path: Path) -> list[str]:
    """The parts of a path, file names cut at full stops: where ids stand."""
    return [word for part in path.parts for word in part.split(".")]
