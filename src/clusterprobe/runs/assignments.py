"""The assignments of a run as one table: every split and seed, in the order of the manifests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.images.manifest import read_manifest
from clusterprobe.store.tables import read_table

SCHEMA = pa.schema(
    [
        ("dataset", pa.string()),
        ("split", pa.string()),
        ("encoder_seed", pa.int64()),
        ("seed", pa.int64()),
        ("id", pa.string()),
        ("cluster", pa.int32()),
        ("second", pa.int32()),
        ("distance", pa.float32()),
        ("confidence", pa.float32()),
        ("top", pa.list_(pa.field("element", pa.int32()))),
    ]
)


@dataclass(frozen=True)
class SplitAssignment:
    """The clusters of one split under one seed, on their way to the table."""

    dataset: str
    split: str
    manifest: Path
    encoder_seed: int | None
    seed: int
    assignment: Assignment

    @classmethod
    def of(
        cls, part: Mapping[str, Any], member: Mapping[str, Any], seed: int, assignment: Assignment
    ) -> SplitAssignment:
        """Name an assignment after the split and the member of the cell that it was made for."""
        manifest = Path(part["manifest"])
        return cls(part["dataset"], part["split"], manifest, member["encoder_seed"], seed, assignment)


@dataclass(frozen=True)
class SeedClusters:
    """The clusters that one seed gave the N images of one split, in the order of the manifest."""

    dataset: str
    split: str
    encoder_seed: int | None
    seed: int
    ids: tuple[str, ...]
    cluster: npt.NDArray[np.int32]
    distance: npt.NDArray[np.float32]
    confidence: npt.NDArray[np.float32]
    top: npt.NDArray[np.int32] | None


def assignments_table(parts: Sequence[SplitAssignment]) -> pa.Table:
    """Return the table of all parts, one block of rows after another."""
    ids = {path: read_manifest(path).ids for path in {part.manifest for part in parts}}
    return pa.concat_tables([_block(part, ids[part.manifest]) for part in parts])


def read_assignments(path: Path) -> Iterator[SeedClusters]:
    """Yield the blocks of an assignments file: one for each data set, split and seed."""
    table = read_table(path)
    keys = table.select(["dataset", "split", "encoder_seed", "seed"]).group_by(
        ["dataset", "split", "encoder_seed", "seed"], use_threads=False
    )
    for key in keys.aggregate([]).to_pylist():
        block = table.filter(_mask(table, key))
        yield SeedClusters(
            ids=tuple(block["id"].to_pylist()),
            cluster=block["cluster"].to_numpy(),
            distance=block["distance"].to_numpy(),
            confidence=block["confidence"].to_numpy(),
            top=_ranked(block),
            **key,
        )


def _block(part: SplitAssignment, ids: tuple[str, ...]) -> pa.Table:
    same = len(ids)
    columns = {
        "dataset": [part.dataset] * same,
        "split": [part.split] * same,
        "encoder_seed": [part.encoder_seed] * same,
        "seed": [part.seed] * same,
        "id": list(ids),
        "cluster": part.assignment.cluster,
        "second": part.assignment.second,
        "distance": part.assignment.distance,
        "confidence": part.assignment.confidence,
        "top": [None] * same if part.assignment.top is None else list(part.assignment.top),
    }
    return pa.table(columns, schema=SCHEMA)


def _ranked(block: pa.Table) -> npt.NDArray[np.int32] | None:
    ranked = block["top"].combine_chunks()
    if ranked.null_count:
        return None
    values: npt.NDArray[np.int32] = ranked.flatten().to_numpy()
    return values.reshape(len(ranked), -1)


def _mask(table: pa.Table, key: dict[str, Any]) -> Any:
    masks = [
        pc.is_null(table[name]) if value is None else pc.fill_null(pc.equal(table[name], value), False)
        for name, value in key.items()
    ]
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.and_(mask, other)
    return mask
