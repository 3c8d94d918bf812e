"""Sharded feature matrices: float16 NPY shards, each with a JSON record that can vouch for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import atomic_path, read_json, write_json
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.rows import Float32, Part, widen

_ROWS_AT_ONCE = 8192


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
    """Store rows [n, D] as a float16 shard and its record; see `write_blocks`."""
    write_blocks(
        path, [values], values.shape, space=space, content=content, first_row=first_row, total_rows=total_rows
    )


def write_blocks(
    path: Path,
    blocks: Iterable[npt.NDArray[np.floating]],
    shape: tuple[int, ...],
    *,
    space: str,
    content: str,
    first_row: int,
    total_rows: int,
) -> None:
    """Store blocks of rows, [n, D] together, as a float16 shard and its record; the record is written last.

    Blocks are written as they come: memory does not grow with the shard. Raises UserError when a value does
    not fit float16.
    """
    rows, width = shape
    dtype = np.dtype(np.float16)
    layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (rows, width)}
    found = 0
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        np.lib.format.write_array_header_1_0(handle, layout)
        for block in blocks:
            handle.write(_as_float16(block, path).tobytes())
            found += len(block)
        if found != rows:
            raise ValueError(f"{path}: {found} rows were given for a shard of {rows}")
    record = ShardRecord(space, content, first_row, rows, total_rows, width, str(dtype), sha256_file(path))
    write_json(record_path(path), asdict(record))


def _as_float16(values: npt.NDArray[np.floating], path: Path) -> npt.NDArray[np.float16]:
    with np.errstate(over="ignore"):
        stored = values.astype(np.float16)
    if not np.isfinite(stored).all():
        raise UserError(
            f"features for {path} hold values that float16 cannot store (largest: {np.abs(values).max()})"
        )
    return stored


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

    def share(self, number: int, of: int) -> FeatureMatrix:
        """Return the shards of process `number` of `of`, in order; raises UserError for too few shards."""
        if not 0 <= number < of <= len(self._shards):
            raise UserError(
                f"{len(self._shards)} shards cannot be shared among {of} processes (this is {number}): "
                "take fewer processes, or more `shards` of the data set"
            )
        first, last = (len(self._shards) * each // of for each in (number, number + 1))
        return FeatureMatrix(self._shards[first:last], self.space, self.content)

    @property
    def shape(self) -> tuple[int, int]:
        return int(self._first[-1]), self._shards[0].shape[1]

    def parts(self, rows: int = 8192) -> Iterator[Part]:
        for shard, before in zip(self._shards, self._first.tolist(), strict=False):
            for first in range(0, len(shard), rows):
                last = min(first + rows, len(shard))
                yield Part(slice(before + first, before + last), partial(_read, shard, first, last))

    def blocks(self, rows: int = 8192) -> Iterator[Float32]:
        for part in self.parts(rows):
            yield part.read()

    def take(self, indices: npt.NDArray[np.int64]) -> Float32:
        taken = np.empty((len(indices), self.shape[1]), dtype=np.float32)
        owner = np.searchsorted(self._first, indices, side="right") - 1
        for number, shard in enumerate(self._shards):
            here = owner == number
            taken[here] = widen(_take(shard, indices[here] - self._first[number]))
        return taken


def _read(shard: npt.NDArray[np.float16], first: int, last: int) -> Float32:
    """Return rows of a shard; of a mapped one through a map of their own, so that no pass keeps all pages."""
    if not isinstance(shard, np.memmap) or shard.filename is None:
        return widen(shard[first:last])
    shape = (last - first, shard.shape[1])
    offset = shard.offset + first * shard.strides[0]
    mapped: npt.NDArray[np.float16] = np.memmap(shard.filename, np.float16, "r", offset, shape)
    return widen(mapped)


def _take(shard: npt.NDArray[np.float16], indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float16]:
    """Return some rows of a shard; those of a mapped one are read, as a map keeps the pages around each."""
    if not isinstance(shard, np.memmap) or shard.filename is None:
        return shard[indices]
    rows = np.empty((len(indices), shard.shape[1]), dtype=np.float16)
    edges = [0, *(np.flatnonzero(np.diff(indices) != 1) + 1).tolist(), len(indices)]
    with Path(shard.filename).open("rb", buffering=0) as handle:
        for first, last in pairwise(edges):
            for start in range(first, last, _ROWS_AT_ONCE):
                part = rows[start : min(start + _ROWS_AT_ONCE, last)]
                at = shard.offset + int(indices[start]) * shard.strides[0]
                if os.preadv(handle.fileno(), [part.data], at) != part.nbytes:
                    raise UserError(f"{shard.filename} has become shorter: delete it and run again")
    return rows


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
