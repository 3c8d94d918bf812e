from __future__ import annotations

from pathlib import Path

import pytest

from clusterprobe.store import digests
from clusterprobe.store.digests import code_digest, import_closure

SCRIPT = '"""Adapter."""\nfrom clusterprobe.low import add\n\nprint(add(1, 2))\n'
LOW = '''"""Low."""
from clusterprobe import lowest


def add(a, b):
    """Add."""
    return lowest.plus(a, b)
'''
LOWEST = "def plus(a, b):\n    return a + b\n"
OTHER = "def unused():\n    return 0\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "clusterprobe"
    folder.mkdir()
    files = {"__init__": "", "low": LOW, "lowest": LOWEST, "other": OTHER, "objective": OTHER}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    (tmp_path / "script.py").write_text(SCRIPT)
    monkeypatch.setattr(digests, "SOURCE", folder)
    return folder


def _digest(package: Path, *modules: str) -> str:
    digests.read_source.cache_clear()
    digests.read_data.cache_clear()
    return code_digest(package.parent / "script.py", modules)


def _edit(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_the_closure_is_transitive_and_nothing_more(package: Path) -> None:
    assert import_closure(["clusterprobe.low"]) == {"clusterprobe.low", "clusterprobe.lowest"}


def test_a_folder_of_data_may_have_the_name_of_a_module(package: Path) -> None:
    (package / "lowest").mkdir()
    (package / "lowest" / "numbers.csv").touch()
    digests.read_source.cache_clear()
    assert import_closure(["clusterprobe.low"]) == {"clusterprobe.low", "clusterprobe.lowest"}


def test_comments_layout_and_docstrings_change_nothing(package: Path) -> None:
    before = _digest(package)
    _edit(package / "low.py", '"""Add."""', '"""Add two numbers."""  # kindly')
    _edit(package / "lowest.py", "    return a + b", "\n    # plainly\n    return (a + b)")
    _edit(package.parent / "script.py", '"""Adapter."""', '"""The adapter."""')
    assert _digest(package) == before


@pytest.mark.parametrize("name", ["low", "lowest"])
def test_an_edit_of_an_imported_module_changes_the_digest(package: Path, name: str) -> None:
    before = _digest(package)
    _edit(package / f"{name}.py", "return", "return 1 +")
    assert _digest(package) != before


def test_an_edit_of_the_script_changes_the_digest(package: Path) -> None:
    before = _digest(package)
    _edit(package.parent / "script.py", "add(1, 2)", "add(1, 3)")
    assert _digest(package) != before


def test_an_edit_elsewhere_changes_nothing(package: Path) -> None:
    before = _digest(package)
    _edit(package / "other.py", "return 0", "return 1")
    assert _digest(package) == before


def test_a_module_loaded_by_name_counts_when_it_is_named(package: Path) -> None:
    before = _digest(package, "clusterprobe.objective")
    assert before != _digest(package)
    _edit(package / "objective.py", "return 0", "return 1")
    assert _digest(package, "clusterprobe.objective") != before


def test_data_beside_a_module_that_reads_it_is_part_of_its_code(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (package / "numbers").mkdir()
    (package / "numbers" / "a.csv").write_text("1,2\n")
    without = _digest(package)
    monkeypatch.setattr(digests, "DATA", {"clusterprobe.lowest": "numbers"})
    found = [without, _digest(package)]
    (package / "numbers" / "a.csv").write_text("1,3\n")
    found.append(_digest(package))
    (package / "numbers" / "a.csv").rename(package / "numbers" / "b.csv")
    found.append(_digest(package))
    assert len(set(found)) == 4
    monkeypatch.setattr(digests, "DATA", {"clusterprobe.other": "numbers"})
    assert _digest(package) == without


def test_all_data_of_the_package_counts() -> None:
    """But for lists of classes, which the plan reads: they count by what they say, wherever they are."""
    files = [path for path in digests.SOURCE.rglob("*") if path.is_file() and path.suffix != ".py"]
    folders = {path.parent for path in files if "__pycache__" not in path.parts}
    read = {digests.module_path(module).parent / folder for module, folder in digests.DATA.items()}
    assert {folder for folder in folders if folder.parent.name != "config"} - {digests.SOURCE} == read
