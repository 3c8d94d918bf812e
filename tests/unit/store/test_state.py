from __future__ import annotations

from pathlib import Path

import pytest

from clusterprobe.store.state import fingerprint, load_state, save_state

OWNER = fingerprint({"epochs": 3})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    save_state(tmp_path / "state", b"weights" * 100, OWNER)
    return tmp_path / "state"


def test_a_state_comes_back(path: Path) -> None:
    assert load_state(path, OWNER) == b"weights" * 100


def test_no_state_is_none(tmp_path: Path) -> None:
    assert load_state(tmp_path / "state", OWNER) is None


def test_a_state_of_other_settings_is_never_resumed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_state(path, fingerprint({"epochs": 4})) is None
    assert "other code, configuration or input" in capsys.readouterr().err
    assert not path.exists()


@pytest.mark.parametrize("position", [0, 25, 60, -1])
def test_a_flipped_bit_anywhere_is_found(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)
    assert load_state(path, OWNER) is None
    assert not path.exists()


def test_a_truncated_state_is_found(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_bytes(path.read_bytes()[:-10])
    assert load_state(path, OWNER) is None
    assert str(path) in capsys.readouterr().err


def test_fingerprints_ignore_the_order_of_keys_only() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
