"""One training of the workflow: images of a manifest in, a canonical encoder and its history out."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.config.encoder_facts import FACTS
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import (
    ArchitectureRecord,
    Encoder,
    EncoderRecord,
    HeadRecord,
    load_encoder,
    save_encoder,
)
from clusterprobe.encoders.heads import build_head
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.images.manifest import read_manifest
from clusterprobe.objectives.loading import load_objective
from clusterprobe.runs.clusters import number_of_clusters
from clusterprobe.runs.heads import chosen_head
from clusterprobe.runs.ingredients import FOUND, PSEUDO_LABELS, Ingredients, open_data
from clusterprobe.runs.processes import in_processes
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.atomic import write_text
from clusterprobe.store.state import fingerprint
from clusterprobe.train import distributed
from clusterprobe.train.interrupt import StopWatch, TrainingInterrupted
from clusterprobe.train.job import Trained, build_networks, train_encoder
from clusterprobe.train.objective import Networks, needed_by
from clusterprobe.train.snapshots import SNAPSHOTS
from clusterprobe.train.state import Checkpoint

# What the definition of a trained encoder says beside its training.
_NOT_TRAINING = {"kind", "clusters"} | FACTS


def train_in_processes(
    processes: int,
    definition: Mapping[str, Any],
    made_from: Mapping[str, str | Sequence[str]],
    folder: str,
    state: str,
    *,
    seconds_left: float | None = None,
    **options: Any,
) -> int:
    """Train as `run_training` does; return 0, or the exit code for this process. Raises what it raises.

    Args:
        processes: how many share every batch; 0 is 1.
        definition, folder, state, options: as `run_training` takes them.
        made_from: the fields of Ingredients that are given; whatever goes to another process is plain JSON.
        seconds_left: how long this job may still run; None knows no limit.
    """
    given = {
        "definition": definition,
        "made_from": made_from,
        "folder": folder,
        "state": state,
        "until": time.time() + seconds_left if seconds_left is not None else None,
        "options": options,
    }
    return in_processes(processes, train_together, given)


def train_together(
    definition: Mapping[str, Any],
    made_from: Mapping[str, str | Sequence[str]],
    folder: str,
    state: str,
    until: float | None,
    options: Mapping[str, Any],
) -> int:
    """Train in this process, which may be one of several; return 0, or why it stopped as an exit code."""
    files: dict[str, Any] = {
        name: Path(given) if isinstance(given, str) else [Path(path) for path in given]
        for name, given in made_from.items()
    }
    left = until - time.time() if until is not None else None
    try:
        run_training(
            definition, Ingredients(**files), Path(folder), Path(state), deadline_seconds=left, **options
        )
    except TrainingInterrupted as interruption:
        print(interruption, file=sys.stderr)
        return interruption.exit_code
    return 0


def run_training(
    definition: Mapping[str, Any],
    made_from: Ingredients,
    folder: Path,
    state: Path,
    *,
    code: str,
    workers: int = 0,
    device: str = "auto",
    deadline_seconds: float | None = None,
) -> None:
    """Train on the images of a manifest, or on features of them, and write an encoder to `folder`.

    It consists of record, weights, heads, training.jsonl, and found.npz: what the objective found out, such
    as labels of the images, by name, and the `content` of the images; snapshots with the content of theirs.

    The resume state at `state` belongs to this definition, code and content only, and is removed once the
    outputs are written; of several processes the first writes. Raises TrainingInterrupted when stopped by a
    signal or the deadline.
    """
    watch = StopWatch(deadline_seconds)  # before all else: images may take long to hash and to decode
    images = read_manifest(made_from.manifest)
    definition = _sized(definition, made_from.facts)
    make_objective = load_objective(definition["objective"]["name"])
    learnt = [images.labels.tolist(), images.classes] if "labels" in needed_by(make_objective) else []
    owner = _owner(definition, code, images.content, made_from.hashes(), *learnt)
    job = {key: value for key, value in definition.items() if key not in _NOT_TRAINING}
    preprocessing = Preprocessing.from_dict(definition["preprocessing"])
    networks, heads = _start(job, definition, made_from.start)
    trained = train_encoder(
        job,
        open_data(made_from, images, _seen_in_training(definition, preprocessing), workers),
        make_objective,
        networks=networks,
        checkpoint=Checkpoint(state, owner),
        watch=watch,
        device=device,
    )
    if distributed.rank() > 0:
        return
    write_text(folder / "training.jsonl", "".join(f"{line}\n" for line in trained.log))
    found = {name: values.numpy() for name, values in trained.found.items()}
    if SNAPSHOTS in found and made_from.selection_manifest:
        found["snapshot_content"] = np.array(read_manifest(made_from.selection_manifest).content)
    save_arrays(folder / FOUND, {**found, "content": images.content})
    save_encoder(folder, _canonical(trained, definition, preprocessing, heads))
    state.unlink(missing_ok=True)
    with suppress(OSError):
        state.parent.rmdir()


def _owner(definition: Mapping[str, Any], *made_from: object) -> str:
    """Return the fingerprint of a resume state: all that a training is made of."""
    made_of = {key: value for key, value in definition.items() if key not in FACTS}
    return fingerprint([made_of, *made_from])


def _seen_in_training(definition: Mapping[str, Any], preprocessing: Preprocessing) -> Preprocessing:
    return preprocessing.uncropped() if definition.get("uncropped") else preprocessing


def _sized(definition: Mapping[str, Any], facts: Path) -> dict[str, Any]:
    """Return the definition with as many outputs per head as there are clusters, if the heads cluster."""
    if not definition["clusters"] or not definition["head"]:
        return dict(definition)
    head = dict(definition["head"])
    dimensions = number_of_clusters(definition["clusters"], facts)
    return dict(definition) | {"head": head | {"options": {**head["options"], "dimensions": dimensions}}}


def _start(
    job: Mapping[str, Any], definition: Mapping[str, Any], start: Path | None
) -> tuple[Networks, dict[str, HeadRecord]]:
    """Return the networks to train and the records of their heads.

    From another encoder the body goes on; without heads of its own, a training goes on with the head that
    was chosen there. An objective that learns the labels that were found there starts from nothing.
    """
    fresh = build_networks(job, int(definition["seed"] or 0))
    head = definition["head"]
    records = {name: HeadRecord(head["kind"], head["options"]) for name in fresh.heads} if head else {}
    if start is None or PSEUDO_LABELS in needed_by(load_objective(definition["objective"]["name"])):
        return fresh, records
    before = load_encoder(start)
    there, wanted = before.record.architecture, ArchitectureRecord(**definition["architecture"])
    if there != wanted:
        raise UserError(
            f"{start} is a {there.name} with the options {dict(there.options)}: its successor must have its "
            f"architecture, not {wanted.name} with {dict(wanted.options)}"
        )
    if head:
        return Networks(before.body, fresh.heads), records
    chosen = chosen_head(before, str(start))
    record = before.record.heads[chosen]
    again = build_head(record.kind, record.options, before.body.width)
    again.load_state_dict(before.heads[chosen].state_dict())
    return Networks(before.body, {chosen: again}), {chosen: record}


def _canonical(
    trained: Trained,
    definition: Mapping[str, Any],
    preprocessing: Preprocessing,
    heads: Mapping[str, HeadRecord],
) -> Encoder:
    source = {"kind": "trained", "objective": definition["objective"], "seed": definition["seed"]}
    if trained.chosen is not None:
        source["head"] = trained.chosen
    record = EncoderRecord(
        ArchitectureRecord(**definition["architecture"]),
        trained.body.width,
        preprocessing,
        source=source,
        licence=definition["licence"],
        seen=definition["seen"],
        heads=dict(heads),
    )
    return Encoder(record, trained.body, dict(trained.heads))
