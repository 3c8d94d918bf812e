"""Files of entries: from an address, from where a person put them, of one part or several."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.encoders.fetch import known_hash
from clusterprobe.encoders.obtain import obtain

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = "https://example.org/models"


def entry(**changes: Any) -> dict[str, Any]:
    empty = {
        "url": None, "path": None, "page": None, "file": None, "parts": [], "origin": "the-origin",
        "sha256": None, "hash_prefix": None, "pin": "first",
    }  # fmt: skip
    return {**empty, **changes}


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "model.pth").write_bytes(CONTENT)
    return str(tmp_path / "model.pth")


def test_path_is_taken_in_place_of_the_address(tmp_path: Path, file: str) -> None:
    wanted = entry(url="https://example.org/never-asked", path=file)
    assert obtain(wanted, tmp_path / "a.bin", tmp_path / "hashes.lock") == SHA256
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert known_hash(tmp_path / "hashes.lock", "the-origin") == SHA256


def test_file_that_must_be_got_by_hand_names_page_file_and_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"get MoCov2\.pth by hand from {PAGE} and set `path`"):
        obtain(entry(page=PAGE, file="MoCov2.pth"), tmp_path / "a.bin", tmp_path / "hashes.lock")


def test_address_that_does_not_answer_names_the_page_too(tmp_path: Path) -> None:
    wanted = entry(url="http://127.0.0.1:9/model.pth", page=PAGE)
    with pytest.raises(UserError, match=rf"the connection failed .* or get the file by hand from {PAGE}"):
        obtain(wanted, tmp_path / "a.bin", tmp_path / "hashes.lock")


def test_path_that_does_not_exist_is_named_without_the_page(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not a file") as caught:
        obtain(entry(path="/nowhere/a.pth", page=PAGE), tmp_path / "a.bin", tmp_path / "hashes.lock")
    assert PAGE not in str(caught.value)


def test_hash_in_a_file_name_must_begin_the_hash(tmp_path: Path, file: str) -> None:
    obtain(entry(url=file, hash_prefix=SHA256[:8]), tmp_path / "a.bin", tmp_path / "hashes.lock")
    with pytest.raises(UserError, match="its name says 00000000"):
        obtain(entry(url=file, hash_prefix="0" * 8), tmp_path / "b.bin", tmp_path / "other.lock")
    assert not (tmp_path / "b.bin").exists()
    assert not (tmp_path / "other.lock").exists()


def checkpoint(folder: Path, data: bytes = CONTENT) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "model.ckpt.index").write_bytes(b"index")
    (folder / "model.ckpt.data-00000-of-00001").write_bytes(data)
    return str(folder / "model.ckpt")


PARTS = [".index", ".data-00000-of-00001"]


def test_parts_become_one_archive_whose_bytes_depend_on_the_files_only(tmp_path: Path) -> None:
    place = checkpoint(tmp_path / "one")
    first = obtain(entry(url=place, parts=PARTS), tmp_path / "a.bin", tmp_path / "hashes.lock")
    elsewhere = checkpoint(tmp_path / "two")
    again = obtain(entry(path=elsewhere, parts=PARTS), tmp_path / "b.bin", tmp_path / "hashes.lock")
    assert first == again == hashlib.sha256((tmp_path / "a.bin").read_bytes()).hexdigest()
    with tarfile.open(tmp_path / "a.bin") as archive:
        assert archive.getnames() == ["model.ckpt.data-00000-of-00001", "model.ckpt.index"]
    assert sorted(path.name for path in tmp_path.glob("a.bin*")) == ["a.bin"]


def test_changed_or_missing_part_is_refused(tmp_path: Path) -> None:
    lock = tmp_path / "hashes.lock"
    obtain(entry(url=checkpoint(tmp_path / "one"), parts=PARTS), tmp_path / "a.bin", lock)
    with pytest.raises(UserError, match=r"the archive has SHA-256 .*, expected"):
        obtain(entry(url=checkpoint(tmp_path / "one", b"other"), parts=PARTS), tmp_path / "b.bin", lock)
    assert not (tmp_path / "b.bin").exists()
    (tmp_path / "one" / "model.ckpt.index").unlink()
    with pytest.raises(UserError, match=r"model\.ckpt\.index is not a file"):
        obtain(entry(url=str(tmp_path / "one" / "model.ckpt"), parts=PARTS), tmp_path / "c.bin", lock)


def test_folder_becomes_an_archive(tmp_path: Path) -> None:
    checkpoint(tmp_path / "module")
    (tmp_path / "module" / "variables").mkdir()
    (tmp_path / "module" / "variables" / "x").write_bytes(b"x")
    obtain(entry(path=str(tmp_path / "module")), tmp_path / "a.bin", tmp_path / "hashes.lock")
    with tarfile.open(tmp_path / "a.bin") as archive:
        assert "variables/x" in archive.getnames()


@pytest.mark.parametrize("parts", [[], PARTS])
def test_required_pin_refuses_what_has_none(tmp_path: Path, parts: list[str]) -> None:
    place = checkpoint(tmp_path / "one")
    if not parts:
        (tmp_path / "one" / "model.ckpt").write_bytes(CONTENT)
    with pytest.raises(UserError, match="`pin: required` asks for one"):
        obtain(entry(url=place, parts=parts, pin="required"), tmp_path / "a.bin", tmp_path / "hashes.lock")
