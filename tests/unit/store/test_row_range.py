"""Ranges of rows: shares of all processes are all rows."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.store.features import FeatureMatrix, write_shard
from clusterprobe.store.row_range import RowRange
from clusterprobe.store.rows import ArrayRows

VALUES = np.arange(40, dtype=np.float32).reshape(20, 2)


@given(
    first=st.integers(0, 20), length=st.integers(0, 20), block=st.integers(1, 25), seed=st.integers(0, 2**31)
)
def test_a_range_is_those_rows_however_they_are_read(first: int, length: int, block: int, seed: int) -> None:
    last = min(first + length, 20)
    expected = VALUES[first:last]
    rows = RowRange(ArrayRows(VALUES, "space", "content"), slice(first, last))
    assert (rows.shape, rows.space, rows.content) == (expected.shape, "space", "content")
    read = np.full_like(expected, np.nan)
    for part in rows.parts(block):
        read[part.where] = part.read()
    np.testing.assert_array_equal(read, expected)
    np.testing.assert_array_equal(np.concatenate([VALUES[:0], *rows.blocks(block)]), expected)
    chosen = np.random.default_rng(seed).integers(max(len(expected), 1), size=min(len(expected), 3))
    np.testing.assert_array_equal(rows.take(chosen), expected[chosen])


def test_a_range_may_begin_and_end_within_shards(tmp_path: Path) -> None:
    cuts, shards = [0, 3, 11, 20], []
    for number, (first, last) in enumerate(pairwise(cuts)):
        shards.append(tmp_path / f"{number}.npy")
        write_shard(
            shards[-1], VALUES[first:last], space="s", content="c", first_row=first, total_rows=cuts[-1]
        )
    matrix = FeatureMatrix.open(shards)
    ends = [0, 7, 7, 20]
    ranges = [RowRange(matrix, slice(first, last)) for first, last in pairwise(ends)]
    read = [block for rows in ranges for block in rows.blocks(4)]
    np.testing.assert_array_equal(np.concatenate(read), VALUES)
    np.testing.assert_array_equal(ranges[2].take(np.array([12, 0])), VALUES[[19, 7]])
