"""Parquet files with one image per row: id, image (encoded bytes), and optionally label and class."""

from __future__ import annotations

import bisect
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clusterprobe.config.errors import UserError
from clusterprobe.images.decode import bad_image
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing, existing_path, known_classes

CACHE_BYTES = 256 * 2**20
"""Encoded images that one source keeps in memory; the row group being read is kept in any case."""

_WANTED = "id (text), image (bytes), and optionally label (whole number or text) and class (text)"


class ParquetSource(ImageSource):
    """Images by row number; row groups are read on demand, the latest kept up to `cache_bytes`."""

    def __init__(self, path: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self.path, self.cache_bytes = path, cache_bytes
        self._reset()

    def __getstate__(self) -> tuple[Path, int]:
        return self.path, self.cache_bytes

    def __setstate__(self, state: tuple[Path, int]) -> None:
        self.path, self.cache_bytes = state
        self._reset()

    def fetch(self, location: str) -> bytes:
        with self._lock:
            if self._file is None:
                self._open()
            row = int(location)
            if not 0 <= row < self._first_rows[-1]:
                raise UserError(f"{self.name(location)} does not exist: the file changed, index it again")
            group = bisect.bisect_right(self._first_rows, row) - 1
            data = self._column(group)[row - self._first_rows[group]].as_py()
        if data is None:
            raise bad_image(self.name(location), "is null")
        return bytes(data)

    def name(self, location: str) -> str:
        return f"{self.path}, row {location}"

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._file: pq.ParquetFile | None = None
        self._first_rows: list[int] = []
        self._columns: OrderedDict[int, pa.ChunkedArray] = OrderedDict()

    def _open(self) -> None:
        self._file = open_parquet(self.path)
        metadata = self._file.metadata
        self._first_rows = [0]
        for group in range(metadata.num_row_groups):
            self._first_rows.append(self._first_rows[-1] + metadata.row_group(group).num_rows)

    def _column(self, group: int) -> pa.ChunkedArray:
        """Return the images of one row group, from the cache if they are there."""
        if group not in self._columns:
            assert self._file is not None
            try:
                self._columns[group] = self._file.read_row_group(group, columns=["image"])["image"]
            except (pa.ArrowException, OSError) as error:
                raise UserError(f"{self.path}, row group {group} is damaged ({error}); replace it") from error
        self._columns.move_to_end(group)
        while len(self._columns) > 1 and sum(c.nbytes for c in self._columns.values()) > self.cache_bytes:
            self._columns.popitem(last=False)
        return self._columns[group]


def open_parquet(path: Path) -> pq.ParquetFile:
    """Open a parquet file memory-mapped; raises UserError when it is absent or something else."""
    try:
        return pq.ParquetFile(existing_path(path, "parquet file"), memory_map=True)
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is not a readable parquet file ({error}); replace it") from error


def list_parquet(definition: Mapping[str, Any]) -> ListedDataset:
    """List the parquet file of every split in `splits`.

    Splits share classes by name: `class` if that column is there, else the label itself or its place in
    `class_names`. Classes are ordered as `class_names`, else by label number, else by name.
    """
    if not definition.get("splits"):
        raise UserError("a data set of this kind needs 'splits': {train: file.parquet, test: ...}; add it")
    paths = {
        split: existing_path(path, f"parquet file of split {split!r}")
        for split, path in definition["splits"].items()
    }
    given = definition.get("class_names")
    splits: dict[str, Listing] = {}
    orders: dict[str, Any] = {}
    for split, path in paths.items():
        splits[split], order = _list_one(path, given)
        orders = order | orders
    known = known_classes(splits)
    by_order = sorted(known, key=lambda name: (isinstance(orders[name], str), orders[name], name))
    classes = tuple(given) if given and known else tuple(by_order)
    record = {"kind": "parquet", "splits": {split: str(path) for split, path in paths.items()}}
    return ListedDataset(splits, classes, record)


def _list_one(path: Path, given: Sequence[str] | None) -> tuple[Listing, dict[str, Any]]:
    """Return the listing of one file and what its classes are sorted by: label numbers, else names."""
    columns = _read_columns(path)
    ids = [str(name) for name in columns["id"]]
    empty = [None] * len(ids)
    labels, classes = columns.get("label", empty), columns.get("class", empty)
    names: list[str | None] = []
    order: dict[str, Any] = {}
    partner: dict[Any, str] = {}
    for image, label, class_name in zip(ids, labels, classes, strict=True):
        label = None if label == -1 else label
        name = class_name if class_name is not None else _name_of(label, given, f"image {image!r} of {path}")
        names.append(name)
        if name is None:
            continue
        key = name if label is None else label
        if order.setdefault(name, key) != key or partner.setdefault(key, name) != name:
            raise UserError(
                f"{path}: label {label!r} and class {name!r} of image {image!r} contradict an earlier row; "
                "give every label one class"
            )
    return Listing(ParquetSource(path), ids, [str(row) for row in range(len(ids))], names), order


def _name_of(label: int | str | None, given: Sequence[str] | None, where: str) -> str | None:
    """Return the class name of a label: itself, or its place in the given names."""
    if label is None or given is None:
        return None if label is None else str(label)
    if isinstance(label, str) and label in given:
        return label
    if isinstance(label, int) and 0 <= label < len(given):
        return given[label]
    raise UserError(
        f"labels that do not fit the {len(given)} class_names: {where} has label {label!r}; "
        "correct the label or class_names"
    )


def _read_columns(path: Path) -> dict[str, list[Any]]:
    """Return all columns but the images; raises UserError naming wrong or missing columns."""
    file = open_parquet(path)
    schema = file.schema_arrow
    kinds = {"id": _is_id, "image": _is_bytes, "label": _is_label, "class": _is_text}
    there = ", ".join(f"{field.name} ({field.type})" for field in schema)
    for column, fits in kinds.items():
        if column not in schema.names:
            if column in ("id", "image"):
                raise UserError(f"{path} has no column {column!r}; wanted: {_WANTED}; there are: {there}")
        elif not fits(schema.field(column).type):
            raise UserError(f"{path}: wrong type of column {column!r}; wanted: {_WANTED}; there are: {there}")
    table = file.read(columns=[name for name in kinds if name in schema.names and name != "image"])
    if not table.num_rows:
        raise UserError(f"{path} holds no row; put at least one image into it")
    if table["id"].null_count:
        row = table["id"].to_pylist().index(None)
        raise UserError(f"{path}: row {row} has no id; give every image an id of its own")
    return {name: table[name].to_pylist() for name in table.schema.names}


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    plain = _plain(kind)
    return bool(
        pa.types.is_string(plain)
        or pa.types.is_large_string(plain)
        or pa.types.is_string_view(plain)
        or pa.types.is_null(plain)
    )


def _is_label(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(_plain(kind)) or _is_text(kind))


def _is_id(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(_plain(kind)) or _is_text(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_binary_view(kind)
        or pa.types.is_fixed_size_binary(kind)
    )
