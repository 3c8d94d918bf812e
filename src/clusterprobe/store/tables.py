"""Parquet tables with the same bytes for the same rows, and the schema of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import atomic_path
from clusterprobe.store.hashing import sha256_bytes

_TEXT, _WHOLE = pa.string(), pa.int64()
_OUTLINE = b"clusterprobe.outline"

RESULTS = pa.schema(
    [
        ("experiment", _TEXT),
        ("fit_dataset", _TEXT),
        ("dataset", _TEXT),
        ("split", _TEXT),
        ("encoder", _TEXT),
        ("encoder_id", _TEXT),
        ("encoder_seed", _WHOLE),
        ("features", _TEXT),
        ("reducer", _TEXT),
        ("dims", _WHOLE),
        ("method", _TEXT),
        ("variant", _TEXT),
        ("head", _WHOLE),
        ("protocol", _TEXT),
        ("k", _WHOLE),
        ("seed", _WHOLE),
        ("run", _TEXT),
        ("metric", _TEXT),
        ("value", pa.float64()),
        ("n", _WHOLE),
    ]
)


def write_table(path: Path, table: pa.Table) -> None:
    """Write a parquet file atomically; equal tables (with equal schema metadata) give equal bytes.

    Every page carries its checksum, and the footer vouches for columns, metadata and number of rows.
    """
    bare = table.replace_schema_metadata(None)
    options = {"compression": "zstd", "store_schema": False, "write_page_checksum": True}
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, bare.schema, **options) as writer:
        writer.write_table(bare)
        writer.add_key_value_metadata({**(table.schema.metadata or {}), _OUTLINE: _outline(table)})


def read_table(path: Path) -> pa.Table:
    """Read a parquet file; raises UserError that names a missing or damaged file."""
    try:
        table = pq.read_table(path, page_checksum_verification=True)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: run again to have it made") from error
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"{path} is damaged ({error}): delete it and run again") from error
    metadata = dict(table.schema.metadata or {})
    expected = metadata.pop(_OUTLINE, None)
    table = table.replace_schema_metadata(metadata or None)
    if expected not in (None, _outline(table)):
        raise UserError(f"{path} is damaged (its columns are not those written): delete it and run again")
    return table


def _outline(table: pa.Table) -> bytes:
    columns = table.schema.remove_metadata().to_string()
    metadata = sorted((table.schema.metadata or {}).items())
    return sha256_bytes(f"{columns}\n{table.num_rows} rows\n{metadata}".encode()).encode("ascii")


def results_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows of results as a table in the fixed columns; absent keys are null, unknown ones an error."""
    for row in rows:
        unknown = set(row) - set(RESULTS.names)
        if unknown:
            raise ValueError(f"unknown results columns: {sorted(unknown)}")
    return pa.Table.from_pylist([dict(row) for row in rows], schema=RESULTS)
