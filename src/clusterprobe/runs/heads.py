"""One cell of a method whose clusters are the outputs of a trained head: SCAN, self-labelling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.config.errors import UserError
from clusterprobe.encoders.canonical import Encoder, load_encoder
from clusterprobe.features.execution import Execution
from clusterprobe.features.extract import feature_blocks
from clusterprobe.images.manifest import read_manifest
from clusterprobe.images.sources import open_source
from clusterprobe.runs.assignments import SplitAssignment
from clusterprobe.store.atomic import read_json

TOP = 5


@dataclass(frozen=True)
class HeadClusters:
    """What one seed assigned: the head that was chosen, its number of clusters, and every split."""

    encoder_seed: int | None
    seed: int
    head: str
    clusters: int
    splits: tuple[SplitAssignment, ...]


def assign_cell(cell: Mapping[str, Any], **how: Unpack[Execution]) -> Iterator[HeadClusters]:
    """Yield the clusters of every seed; `cell` is what config.cells.assigning_cell spells out."""
    for member in cell["members"]:
        encoder = load_encoder(Path(member["encoder"]))
        head = chosen_head(encoder, member["encoder"])
        for seed in member["seeds"]:
            splits = []
            for part in member["splits"]:
                images = read_manifest(Path(part["manifest"]))
                blocks = feature_blocks(
                    encoder,
                    f"head:{head}",
                    images,
                    open_source(read_json(Path(part["location"])), part["split"]),
                    (0, len(images)),
                    mode="eval",
                    what=f"assign {part['dataset']}/{part['split']}, seed {seed}",
                    **how,
                )
                assignment = _join([assign_logits(block) for block in blocks])
                splits.append(SplitAssignment.of(part, member, seed, assignment))
            clusters = encoder.heads[head].width
            yield HeadClusters(member["encoder_seed"], seed, head, clusters, tuple(splits))


def chosen_head(encoder: Encoder, where: str) -> str:
    """Return the head that training chose without labels, or the only one; raises UserError otherwise."""
    chosen = encoder.record.source.get("head")
    if chosen is None and len(encoder.heads) == 1:
        (chosen,) = encoder.heads
    if chosen not in encoder.heads:
        raise UserError(f"{where} has no head that was chosen: it was not trained to cluster")
    return str(chosen)


def assign_logits(logits: npt.NDArray[np.float32]) -> Assignment:
    """Return the clusters of logits [N, K]: most probable, second, 1 - p, p, and the five most probable."""
    probabilities = softmax(logits.astype(np.float64), axis=1)
    order = np.argsort(-probabilities, axis=1, kind="stable").astype(np.int32)
    first = np.take_along_axis(probabilities, order[:, :1], axis=1)[:, 0]
    second = order[:, 1] if order.shape[1] > 1 else np.full(len(order), -1, dtype=np.int32)
    confidence = first.astype(np.float32)
    return Assignment(order[:, 0], second, (1.0 - first).astype(np.float32), confidence, order[:, :TOP])


def head_arrays(found: list[HeadClusters]) -> dict[str, npt.NDArray[Any]]:
    """Return the number of clusters and the chosen head of every seed as named arrays."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "seeds": np.array([entry.seed for entry in found], dtype=np.int64),
        "encoder_seeds": np.array(
            [-1 if entry.encoder_seed is None else entry.encoder_seed for entry in found], dtype=np.int64
        ),
    }
    for entry in found:
        arrays[f"clusters/{entry.seed}"] = np.asarray(entry.clusters)
        arrays[f"head/{entry.seed}"] = np.asarray(int(entry.head))
    return arrays


def _join(parts: list[Assignment]) -> Assignment:
    tops = [part.top for part in parts if part.top is not None]
    return Assignment(
        np.concatenate([part.cluster for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.distance for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate(tops),
    )
