"""A clustering that travels: encoder and clusters in one folder, and what it says about new pictures."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.groups import assign_groups
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import Encoder, load_encoder
from clusterprobe.features.execution import Device
from clusterprobe.features.extract import feature_blocks
from clusterprobe.features.scaling import unit_length
from clusterprobe.images.manifest import Manifest
from clusterprobe.images.sources import ImageSource, index_dataset, open_source
from clusterprobe.runs.heads import assign_logits, chosen_head
from clusterprobe.store.arrays import load_arrays, save_arrays
from clusterprobe.store.atomic import read_json, write_json
from clusterprobe.store.rows import ArrayRows, Float32

ENCODER, CLUSTERS, RECORD = "encoder", "clusters.npz", "model.json"
_BATCH = 256


@dataclass(frozen=True)
class PortableModel:
    """What `save_model` wrote: the encoder, the arrays of `runs.pictures.Arrangement`, and the record.

    The record says `output`, `method`, `normalise`, `spherical`, and `names`: those of the clusters, or none.
    """

    encoder: Encoder
    arrays: dict[str, npt.NDArray[Any]]
    record: dict[str, Any]

    @property
    def k(self) -> int:
        """The number of clusters."""
        return int(self.arrays["groups"].max()) + 1

    def assign(self, features: Float32) -> Assignment:
        """Return the clusters of features [n, D] or, if they are those of a head, of logits [n, K]."""
        groups = self.arrays["groups"]
        if "outputs" in self.arrays:
            return assign_logits(features[:, self.arrays["outputs"]])
        rows = features.astype(np.float16).astype(np.float32)  # as they are stored when clusters are fitted
        rows = unit_length(rows) if self.record["normalise"] else rows
        space = self.record["output"]
        return assign_groups(
            ArrayRows(rows, space), self.arrays["centres"], groups, spherical=self.record["spherical"]
        )


def save_model(
    folder: Path, encoder: Path, arrays: dict[str, npt.NDArray[Any]], record: dict[str, Any]
) -> None:
    """Write a model to `folder`, the files of the encoder copied."""
    (folder / ENCODER).mkdir(parents=True, exist_ok=True)
    for name in ("encoder.json", "weights.safetensors", "heads.safetensors"):
        if (encoder / name).exists():
            shutil.copyfile(encoder / name, folder / ENCODER / name)
    save_arrays(folder / CLUSTERS, arrays)
    write_json(folder / RECORD, record)


def load_model(folder: Path) -> PortableModel:
    """Read a model; raises UserError for a folder that holds none."""
    if not (folder / RECORD).is_file():
        raise UserError(f"{folder} holds no model ({RECORD} is missing): name the folder `model` of a result")
    record = read_json(folder / RECORD)
    return PortableModel(load_encoder(folder / ENCODER), load_arrays(folder / CLUSTERS), record)


@dataclass(frozen=True)
class NewPictures:
    """The pictures of a folder, their clusters, and what could not be read, with `file` and `reason`."""

    ids: tuple[str, ...]
    assignment: Assignment
    skipped: list[dict[str, str]]


def assign_folder(
    model: PortableModel, path: Path, *, device: Device = "auto", workers: int = 0
) -> NewPictures:
    """Return the clusters of all pictures below `path`; raises UserError if there is none to be read."""
    definition = {"kind": "folder", "splits": {"new": str(path)}, "on_bad_image": "skip", "labelled": False}
    indexed = index_dataset(definition, "pictures")
    images = indexed.manifests["new"]
    source = open_source(indexed.source, "new")
    parts = list(_parts(model, images, source, device, workers))
    columns = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("cluster", "second", "distance", "confidence")
    )
    return NewPictures(images.ids, Assignment(*columns), indexed.skipped)


def _parts(
    model: PortableModel, images: Manifest, source: ImageSource, device: Device, workers: int
) -> Iterator[Assignment]:
    heads = "outputs" in model.arrays
    output = f"head:{chosen_head(model.encoder, 'the model')}" if heads else model.record["output"]
    blocks = feature_blocks(
        model.encoder,
        output,
        images,
        source,
        (0, len(images)),
        mode="eval",
        batch_size=_BATCH,
        workers=workers,
        device=device,
        what="new pictures",
    )
    for block in blocks:
        yield model.assign(block)
