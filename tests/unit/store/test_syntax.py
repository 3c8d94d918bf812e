from __future__ import annotations

from pathlib import Path

import pytest

from clusterprobe.store import syntax
from clusterprobe.store.syntax import read_syntax

MODULE = '''"""About."""
import json  # of the library
from low import add as plus, take


def double(a):
    """Twice."""
    return plus(a, a)
'''
TEXT = "import json\nfrom low import add as plus, take\n\ndef double(a):\n    return plus(a, a)"
IMPORTS = [("json", ""), ("low", "add"), ("low", "take")]


@pytest.fixture
def module(tmp_path: Path) -> Path:
    path = tmp_path / "module.py"
    path.write_text(MODULE)
    return path


def _no_parsing(data: bytes) -> tuple[str, syntax.Imports]:
    raise AssertionError("parsed again")


def test_a_file_is_parsed_once(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_syntax(module) == (TEXT, IMPORTS)
    monkeypatch.setattr(syntax, "_parse", _no_parsing)
    module.touch()
    assert read_syntax(module) == (TEXT, IMPORTS)


def test_an_edit_is_seen_whatever_its_time_and_size(module: Path) -> None:
    read_syntax(module)
    module.write_text(MODULE.replace("return plus(a, a)", "return plus(a, 1)"))
    assert read_syntax(module)[0] == TEXT.replace("plus(a, a)", "plus(a, 1)")


@pytest.mark.parametrize("damage", [b"", b"\xff", b"[]", b'["key", "text"]', b"{}"])
def test_what_was_kept_may_be_damaged(module: Path, damage: bytes) -> None:
    read_syntax(module)
    (kept,) = (module.parent / "__pycache__").iterdir()
    kept.write_bytes(damage)
    assert read_syntax(module) == (TEXT, IMPORTS)
    assert kept.read_bytes() != damage


def test_nothing_need_be_kept(module: Path) -> None:
    (module.parent / "__pycache__").write_text("no folder")
    assert read_syntax(module) == (TEXT, IMPORTS)
