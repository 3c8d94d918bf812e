"""One training of the workflow: images of a manifest in, a canonical encoder and its history out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.encoders.canonical import (
    ArchitectureRecord,
    Encoder,
    EncoderRecord,
    HeadRecord,
    save_encoder,
)
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.images.batches import TrainingImages, open_images
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import ImageSource, open_source
from clusterprobe.objectives.loading import load_objective
from clusterprobe.store.atomic import read_json, write_text
from clusterprobe.store.state import fingerprint
from clusterprobe.train.job import Data, Trained, train_encoder
from clusterprobe.train.state import Checkpoint

# What a definition says about an encoder beside its training.
_NOT_TRAINING = {"kind", "licence", "seen"}


def training_job(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the job of the training loop out of the definition of a trained encoder."""
    return {key: value for key, value in definition.items() if key not in _NOT_TRAINING}


def run_training(
    definition: Mapping[str, Any],
    manifest: Path,
    location: Path,
    folder: Path,
    state: Path,
    *,
    code: str,
    workers: int = 0,
    device: str = "auto",
    deadline_seconds: float | None = None,
) -> None:
    """Train on the images of `manifest` and write record, weights, heads and training.jsonl to `folder`.

    The resume state at `state` belongs to this definition, code and content only, and is removed once the
    outputs are written. Raises TrainingInterrupted when stopped by a signal or the deadline.
    """
    images = read_manifest(manifest)
    made_from = fingerprint({"definition": dict(definition), "code": code, "content": images.content})
    preprocessing = Preprocessing.from_dict(definition["preprocessing"])
    source = open_source(read_json(location), manifest.stem)
    trained = train_encoder(
        training_job(definition),
        Data(_training_images(source, images.locations, preprocessing, workers)),
        load_objective(definition["objective"]["name"]),
        checkpoint=Checkpoint(state, made_from),
        deadline_seconds=deadline_seconds,
        device=device,
    )
    write_text(folder / "training.jsonl", "".join(f"{line}\n" for line in trained.log))
    save_encoder(folder, _canonical(trained, definition, preprocessing))
    state.unlink(missing_ok=True)


def _training_images(
    source: ImageSource, locations: tuple[str, ...], preprocessing: Preprocessing, workers: int
) -> TrainingImages:
    return open_images(partial(_decode, source, preprocessing), locations, workers=workers)


def _decode(source: ImageSource, preprocessing: Preprocessing, location: str) -> npt.NDArray[np.uint8]:
    return preprocessing.apply(source.read(location))


def _canonical(trained: Trained, definition: Mapping[str, Any], preprocessing: Preprocessing) -> Encoder:
    architecture, head = definition["architecture"], definition["head"]
    record = EncoderRecord(
        ArchitectureRecord(architecture["name"], architecture["options"]),
        trained.body.width,
        preprocessing,
        source={"kind": "trained", "objective": definition["objective"], "seed": definition["seed"]},
        licence=definition["licence"],
        seen=definition["seen"],
        heads={name: HeadRecord(head["kind"], head["options"]) for name in trained.heads},
    )
    return Encoder(record, trained.body, dict(trained.heads))
