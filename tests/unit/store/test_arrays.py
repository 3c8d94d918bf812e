from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.store.arrays import load_arrays, save_arrays


def test_arrays_and_texts_come_back(tmp_path: Path) -> None:
    save_arrays(tmp_path / "x.npz", {"values": np.eye(2), "space": "pixels"})
    loaded = load_arrays(tmp_path / "x.npz")
    assert set(loaded) == {"values", "space"}
    np.testing.assert_array_equal(loaded["values"], np.eye(2))
    assert str(loaded["space"]) == "pixels"


def test_the_same_arrays_give_the_same_bytes_at_another_time(tmp_path: Path) -> None:
    save_arrays(tmp_path / "a.npz", {"one": np.arange(3), "two": 2})
    time.sleep(2.1)  # ZIP archives tell time in steps of two seconds
    save_arrays(tmp_path / "b.npz", {"two": 2, "one": np.arange(3)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"<html>"]
)
def test_damage_is_named(tmp_path: Path, damage) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "x.npz"
    save_arrays(path, {"values": np.arange(1000)})
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UserError, match=r"x\.npz is damaged"):
        load_arrays(path)


def test_every_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    save_arrays(path, {"values": np.arange(20)})
    whole = path.read_bytes()
    for position in range(0, len(whole), 7):
        data = bytearray(whole)
        data[position] ^= 4
        path.write_bytes(data)
        try:
            loaded = load_arrays(path)
        except UserError:
            continue
        np.testing.assert_array_equal(loaded["values"], np.arange(20))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.npz is missing"):
        load_arrays(tmp_path / "x.npz")
