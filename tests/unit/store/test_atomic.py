from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.atomic import atomic_path, read_json, write_bytes, write_json


def test_a_failing_writer_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "value.json"
    write_json(target, {"a": 1})
    with pytest.raises(RuntimeError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("killed")
    assert read_json(target) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["value.json"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EDQUOT, "quota"),
        (errno.EROFS, "read-only"),
        (errno.EACCES, "permission"),
    ],
)
def test_a_disk_that_refuses_is_one_clear_error(tmp_path: Path, number: int, advice: str) -> None:
    with pytest.raises(UserError, match=advice), atomic_path(tmp_path / "x"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


def test_the_next_writer_removes_what_a_killed_one_has_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "x[1].json") as temporary:
        left = temporary.rename(tmp_path / temporary.name.replace(".partial", "0.partial"))
        raise RuntimeError("killed")
    others = [
        tmp_path / name for name in (".x.json.abc.partial.json", ".x1.json.abc.partial.json", "x[1].npy")
    ]
    for path in others:
        path.touch()
    assert left.exists()
    write_json(tmp_path / "x[1].json", {})
    assert not left.exists()
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "x[1].json"])


def test_two_writers_of_one_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Runs that share a finished fit may finish it at the same time."""
    target = tmp_path / "x.json"
    with atomic_path(target) as slow:
        slow.write_text("slow")
        with atomic_path(target) as fast:
            fast.write_text("fast")
        assert target.read_text() == "fast"
    assert target.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [target]


def test_many_writers_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    payloads = [bytes([number]) * 1000 for number in range(8)]

    def write(payload: bytes) -> None:
        for _ in range(30):
            write_bytes(tmp_path / "x", payload)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, payloads))
    assert (tmp_path / "x").read_bytes() in payloads
    assert list(tmp_path.iterdir()) == [tmp_path / "x"]


def test_json_has_the_same_bytes_whatever_the_order_of_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "one", {"b": [1], "a": "ä"})
    write_json(tmp_path / "two", {"a": "ä", "b": [1]})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": ')
    with pytest.raises(UserError, match=r"x\.json is damaged"):
        read_json(tmp_path / "x.json")
