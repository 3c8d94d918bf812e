"""Sharded feature matrices: float16 NPY shards, each with a JSON record that can vouch for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import atomic_path, read_json, write_json
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.rows import Float32


@dataclass(frozen=True)
class ShardRecord:
    """What one shard holds: rows [first_row, first_row + rows) of total_rows, width columns of dtype."""

    space: str
    content: str
    first_row: int
    rows: int
    total_rows: int
    width: int
    dtype: str
    sha256: str


def record_path(shard: Path) -> Path:
    """Return where the record of a shard lies: beside it, with the suffix .json."""
    return Path(shard).with_suffix(".json")


def write_shard(
    path: Path, values: npt.NDArray[np.floating], *, space: str, content: str, first_row: int, total_rows: int
) -> None:
    """Store rows [n, D] as a float16 shard and its record; the record is written last.

    Raises UserError when a value does not fit float16.
    """
    with np.errstate(over="ignore"):
        stored = values.astype(np.float16)
    if not np.isfinite(stored).all():
        raise UserError(
            f"features for {path} hold values that float16 cannot store (largest: {np.abs(values).max()})"
        )
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.save(handle, stored)
    rows, width = stored.shape
    record = ShardRecord(
        space, content, first_row, rows, total_rows, width, str(stored.dtype), sha256_file(path)
    )
    write_json(record_path(path), asdict(record))


def read_records(shards: Sequence[Path]) -> list[ShardRecord]:
    """Return the records of shards, in the order given."""
    return [_read_record(Path(shard)) for shard in shards]


class FeatureMatrix:
    """The features of one split over its shards, memory-mapped and read once per pass, in order."""

    def __init__(self, shards: Sequence[npt.NDArray[np.float16]], space: str, content: str) -> None:
        self._shards = list(shards)
        self._first = np.cumsum([0, *(len(shard) for shard in shards)])
        self.space, self.content = space, content

    @classmethod
    def open(cls, shards: Sequence[Path], verify: bool = True) -> FeatureMatrix:
        """Map the shards of one split; raises UserError for a damaged, missing or foreign shard."""
        paths = sorted(Path(shard) for shard in shards)
        records = read_records(paths)
        _check_together(paths, records)
        for path, record in zip(paths, records, strict=True):
            if verify and sha256_file(path) != record.sha256:
                raise UserError(
                    f"{path} is damaged (its hash differs from its record): delete it and run again"
                )
        arrays = [_map(path, record) for path, record in zip(paths, records, strict=True)]
        return cls(arrays, records[0].space, records[0].content)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._first[-1]), self._shards[0].shape[1]

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for shard in self._shards:
            for first in range(0, len(shard), rows):
                yield np.asarray(shard[first : first + rows], dtype=np.float32)

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        taken = np.empty((len(indices), self.shape[1]), dtype=np.float32)
        owner = np.searchsorted(self._first, indices, side="right") - 1
        for number, shard in enumerate(self._shards):
            here = owner == number
            taken[here] = shard[indices[here] - self._first[number]]
        return taken


def _read_record(shard: Path) -> ShardRecord:
    path = record_path(shard)
    if not path.exists() or not shard.exists():
        raise UserError(
            f"{shard if path.exists() else path} is missing: run again to have the shard extracted anew"
        )
    try:
        return ShardRecord(**read_json(path))
    except TypeError as error:
        raise UserError(f"{path} is not a shard record: delete it and its shard and run again") from error


def _check_together(paths: list[Path], records: list[ShardRecord]) -> None:
    if not records:
        raise UserError("a feature matrix needs at least one shard")
    expected = 0
    for path, record in zip(paths, records, strict=True):
        if (record.space, record.content, record.width) != (
            records[0].space,
            records[0].content,
            records[0].width,
        ):
            raise UserError(
                f"{path} belongs to other features or other images than {paths[0]}: delete it and run again"
            )
        if record.first_row != expected:
            raise UserError(
                f"{path} starts at row {record.first_row}, expected {expected}: a shard is missing"
            )
        expected += record.rows
    if expected != records[0].total_rows:
        raise UserError(
            f"{paths[0].parent}: {expected} of {records[0].total_rows} rows found: a shard is missing"
        )


def _map(path: Path, record: ShardRecord) -> npt.NDArray[np.float16]:
    try:
        array: npt.NDArray[np.float16] = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}): delete it and run again") from error
    if array.shape != (record.rows, record.width) or str(array.dtype) != record.dtype:
        raise UserError(
            f"{path} is {array.dtype}{array.shape}, its record says otherwise: delete it and run again"
        )
    return array
