from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store import features
from clusterprobe.store.features import FeatureMatrix, record_path, write_shard


@pytest.fixture
def values() -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((10, 3)).astype(np.float16).astype(np.float32)


@pytest.fixture
def shards(tmp_path: Path, values: npt.NDArray[np.float32]) -> list[Path]:
    paths = [tmp_path / f"{number:05d}-of-00003.npy" for number in range(3)]
    for path, (first, last) in zip(paths, [(0, 4), (4, 8), (8, 10)], strict=True):
        write_shard(
            path, values[first:last], space="space", content="content", first_row=first, total_rows=10
        )
    return paths


def test_rows_come_back_in_order_whatever_the_blocks(
    shards: list[Path], values: npt.NDArray[np.float32]
) -> None:
    matrix = FeatureMatrix.open(reversed(shards))
    assert matrix.shape == (10, 3)
    for rows in (1, 3, 100):
        blocks = list(matrix.blocks(rows))
        assert all(len(block) <= rows and block.flags.c_contiguous for block in blocks)
        np.testing.assert_array_equal(np.concatenate(blocks), values)


def test_take_returns_rows_in_the_order_asked_for(
    shards: list[Path], values: npt.NDArray[np.float32]
) -> None:
    indices = np.array([9, 0, 4, 3, 9])
    np.testing.assert_array_equal(FeatureMatrix.open(shards).take(indices), values[indices])


@pytest.mark.parametrize("at_once", [2, 8192])
def test_rows_that_follow_each_other_are_taken_together(
    at_once: int, shards: list[Path], values: npt.NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_ROWS_AT_ONCE", at_once)
    matrix = FeatureMatrix.open(shards)
    for indices in (np.arange(10), np.array([1, 2, 3, 2, 3, 8]), np.array([], dtype=np.int64)):
        np.testing.assert_array_equal(matrix.take(indices), values[indices])


def test_a_shard_that_becomes_shorter_is_named(shards: list[Path]) -> None:
    matrix = FeatureMatrix.open(shards)
    shards[1].write_bytes(shards[1].read_bytes()[:-1])
    with pytest.raises(UserError, match="00001-of-00003"):
        matrix.take(np.array([0, 7]))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is asked of /proc")
def test_rows_from_everywhere_leave_no_pages_behind(tmp_path: Path) -> None:
    """The system maps pages around every one that is touched: of a map a few rows would be all of it."""
    rows = np.zeros((2**15, 512), np.float16)
    write_shard(tmp_path / "0.npy", rows, space="space", content="content", first_row=0, total_rows=len(rows))
    matrix = FeatureMatrix.open([tmp_path / "0.npy"])
    before = mapped_mb()
    assert matrix.take(np.arange(0, len(rows), 16)).shape == (2**11, 512)
    assert mapped_mb() - before < 8, "of 32"


def mapped_mb() -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (found,) = (line for line in status.splitlines() if line.startswith("RssFile"))
    return int(found.split()[1]) / 1024


def test_a_flipped_bit_is_found_and_named(shards: list[Path]) -> None:
    data = bytearray(shards[1].read_bytes())
    data[-1] ^= 1
    shards[1].write_bytes(data)
    with pytest.raises(UserError, match=r"00001-of-00003\.npy is damaged"):
        FeatureMatrix.open(shards)


def test_a_truncated_shard_is_found_even_without_hashing(shards: list[Path]) -> None:
    shards[2].write_bytes(shards[2].read_bytes()[:-2])
    with pytest.raises(UserError, match="00002-of-00003"):
        FeatureMatrix.open(shards, verify=False)


def test_a_missing_shard_is_named(shards: list[Path]) -> None:
    shards[1].unlink()
    with pytest.raises(UserError, match=r"00001-of-00003\.npy is missing"):
        FeatureMatrix.open(shards)
    with pytest.raises(UserError, match="a shard is missing"):
        FeatureMatrix.open([shards[0], shards[2]])


def test_a_missing_last_shard_is_found(shards: list[Path]) -> None:
    with pytest.raises(UserError, match="8 of 10 rows"):
        FeatureMatrix.open(shards[:2])


def test_shards_of_another_space_are_refused(shards: list[Path]) -> None:
    record = json.loads(record_path(shards[1]).read_text())
    record_path(shards[1]).write_text(json.dumps(record | {"space": "other"}))
    with pytest.raises(UserError, match="other features"):
        FeatureMatrix.open(shards)


def test_values_beyond_float16_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="float16"):
        write_shard(tmp_path / "x.npy", np.array([[1e6]]), space="", content="", first_row=0, total_rows=1)
    assert list(tmp_path.iterdir()) == []


def test_the_same_values_give_the_same_bytes(tmp_path: Path, values: npt.NDArray[np.float32]) -> None:
    for name in ("a.npy", "b.npy"):
        write_shard(tmp_path / name, values, space="s", content="c", first_row=0, total_rows=10)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_shares_of_processes_are_all_rows_in_order(
    shards: list[Path], values: npt.NDArray[np.float32], processes: int
) -> None:
    matrix = FeatureMatrix.open(shards)
    parts = [matrix.share(number, processes) for number in range(processes)]
    np.testing.assert_array_equal(
        np.concatenate([block for part in parts for block in part.blocks()]), values
    )
    assert {(part.space, part.content) for part in parts} == {("space", "content")}


def test_more_processes_than_shards_are_refused(shards: list[Path]) -> None:
    with pytest.raises(UserError, match="3 shards cannot be shared among 4 processes"):
        FeatureMatrix.open(shards).share(0, 4)
