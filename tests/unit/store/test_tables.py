from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.tables import RESULTS, read_table, results_table, write_table


def test_rows_of_results_have_the_fixed_columns_and_nulls() -> None:
    table = results_table([{"dataset": "digits", "metric": "acc", "value": 0.5, "seed": 3}])
    assert table.schema == RESULTS
    row = table.to_pylist()[0]
    assert (row["dataset"], row["seed"], row["head"]) == ("digits", 3, None)


def test_an_unknown_column_is_an_error() -> None:
    with pytest.raises(ValueError, match="accuracy"):
        results_table([{"accuracy": 1.0}])


def test_equal_tables_have_equal_bytes(tmp_path: Path) -> None:
    rows = [{"metric": "acc", "value": index / 7} for index in range(100)]
    for name in ("a", "b"):
        write_table(tmp_path / name, results_table(rows))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert read_table(tmp_path / "a") == results_table(rows)


@pytest.mark.parametrize("damage", [b"", b"PAR1 nothing", None])
def test_damage_is_named(tmp_path: Path, damage: bytes | None) -> None:
    path = tmp_path / "x.parquet"
    write_table(path, pa.table({"a": list(range(1000))}))
    path.write_bytes(path.read_bytes()[:-20] if damage is None else damage)
    with pytest.raises(UserError, match=r"x\.parquet is damaged"):
        read_table(path)


def test_a_flipped_bit_never_changes_a_value_unseen(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"a": [index / 7 for index in range(50)], "b": [str(index) for index in range(50)]})
    write_table(path, table)
    whole = path.read_bytes()
    found = 0
    for position in range(0, len(whole), 5):
        data = bytearray(whole)
        data[position] ^= 8
        path.write_bytes(data)
        try:
            assert read_table(path).to_pydict() == table.to_pydict()
        except UserError:
            found += 1
    assert found > len(whole) / 10
