"""A published encoder from its file to the canonical form: what the workflow and the command share."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.architectures import build
from clusterprobe.encoders.canonical import ArchitectureRecord, Encoder, EncoderRecord
from clusterprobe.encoders.checkpoints import convert_checkpoint
from clusterprobe.encoders.isolated import run_worker
from clusterprobe.encoders.preprocessing import Preprocessing
from clusterprobe.encoders.probe import check_feature, probe
from clusterprobe.store.atomic import atomic_path
from clusterprobe.store.hashing import sha256_file


def unpack_foreign(layout: str, checkpoint: Path, arrays: Path) -> None:
    """Write the arrays of a TensorFlow or Haiku checkpoint to an .npz, in the environment of its own.

    Raises UserError for a file of another kind, a pickle that holds code, or a missing environment.
    """
    with atomic_path(arrays) as temporary:
        run_worker(layout, str(checkpoint), str(temporary))


def convert_published(entry: Mapping[str, Any], checkpoint: Path, arrays: Path | None = None) -> Encoder:
    """Return the encoder of an entry from its checkpoint, or from the arrays that were unpacked from it.

    `entry` has the keys of config.encoders.FileEncoder as plain values. Raises UserError as
    checkpoints.convert_checkpoint does.
    """
    if entry["layout"] == "saved-model":
        return _wrapped(entry, checkpoint)
    return convert_checkpoint(
        arrays or checkpoint,
        entry["architecture"]["name"],
        entry["architecture"]["options"],
        Preprocessing.from_dict(entry["preprocessing"]),
        written_by=entry["layout"],
        prefix=entry["prefix"],
        ignore=entry["ignore"],
        resample=entry["resample"] is not None,
        feature=entry["feature"],
        source=_source(entry, checkpoint),
        licence=entry["licence"],
        seen=entry["seen"],
    )


def _wrapped(entry: Mapping[str, Any], archive: Path) -> Encoder:
    """Return a SavedModel as it is: its archive is the one tensor of the body."""
    if not (tarfile.is_tarfile(archive) or zipfile.is_zipfile(archive)):
        raise UserError(f"{archive} is no tar or zip archive, so it holds no SavedModel: check the file")
    content = torch.from_numpy(np.fromfile(archive, np.uint8))
    architecture = entry["architecture"]["name"]
    options = {**entry["architecture"]["options"], "size": len(content)}
    body = build(architecture, options)
    body.network.load_state_dict({"archive": content})
    preprocessing = Preprocessing.from_dict(entry["preprocessing"])
    checksum = probe(body, preprocessing, architecture)
    check_feature(body, checksum, entry["feature"])
    record = EncoderRecord(
        ArchitectureRecord(architecture, options),
        body.width,
        preprocessing,
        source={"kind": "file", **_source(entry, archive), "feature_checksum": checksum},
        licence=entry["licence"],
        seen=entry["seen"],
    )
    return Encoder(record, body.eval())


def _source(entry: Mapping[str, Any], checkpoint: Path) -> dict[str, Any]:
    return {"url": entry["origin"], "sha256": sha256_file(checkpoint), "written_by": entry["layout"]}
