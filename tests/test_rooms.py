"""The rooms of src/clusterprobe in their order, and what may not be imported where."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = REPOSITORY / "src"
PACKAGE = SOURCE / "clusterprobe"
ROOMS = (
    "config",
    "store",
    "images",
    "encoders",
    "features",
    "cluster",
    "train",
    "objectives",
    "runs",
    "evaluate",
    "report",
    "commands",
)
FACES = {"cli", "api"}
"""Modules that stand before all rooms: they may import every room, no room may import them."""

EXEMPT = {"train/__main__.py"}
"""A face, like a command line: it brings training loop and objective together."""

HEAVY = ("torch", "torchvision", "timm", "sklearn", "faiss")
LIGHT_ROOMS = ("config", "store")
LIGHT_MODULES = (
    "clusterprobe.cluster.kmeans",
    "clusterprobe.runs.kmeans",
    "clusterprobe.evaluate.clustering",
)

MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Yield every module that a file imports, anywhere in it, with its line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def violations(path: Path) -> list[str]:
    """Return the imports of a file that go to a later room or to a face."""
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return []
    own = ROOMS.index(parts[0])
    found = []
    for module, line in imports(path):
        words = module.split(".")
        if words[0] != "clusterprobe":
            continue
        other = words[1] if len(words) > 1 else ""
        if other not in ROOMS or ROOMS.index(other) > own:
            found.append(f"{name_of(path)}:{line} imports {module}")
    return found


def test_every_folder_is_a_room() -> None:
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == set(ROOMS)
    assert {path.stem for path in PACKAGE.glob("*.py")} <= FACES | {"__init__", "__main__"}


@pytest.mark.parametrize("path", [path for path in MODULES if name_of(path) not in EXEMPT], ids=name_of)
def test_imports_go_to_earlier_rooms_only(path: Path) -> None:
    assert not violations(path)


def test_exemptions_are_needed() -> None:
    assert {name for name in EXEMPT if violations(PACKAGE / name)} == EXEMPT


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("__init__.py")), ids=name_of)
def test_package_files_are_empty(path: Path) -> None:
    assert path.read_text(encoding="utf-8").strip() == ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_library_knows_no_snakemake(path: Path) -> None:
    assert not [line for module, line in imports(path) if module.split(".")[0] == "snakemake"]


def loaded_by(code: str) -> set[str]:
    """Return the packages that a fresh Python has loaded after some code."""
    report = "import sys; print('\\n'.join({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"],
        env=os.environ | {"PYTHONPATH": str(SOURCE)},
        cwd=REPOSITORY,
        text=True,
        capture_output=True,
        check=True,
    )
    return set(done.stdout.split())


def import_all(names: list[str]) -> str:
    return "\n".join(f"import {name}" for name in names)


def test_light_modules_load_no_heavy_package() -> None:
    light = [
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for room in LIGHT_ROOMS
        for path in sorted((PACKAGE / room).glob("*.py"))
        if path.name != "__init__.py"
    ]
    assert len(light) > 15
    loaded = loaded_by(import_all([*light, *LIGHT_MODULES]))
    assert "numpy" in loaded
    assert not loaded & set(HEAVY)


def test_configuration_loads_neither_arrays_nor_tables() -> None:
    names = [
        f"clusterprobe.config.{path.stem}"
        for path in sorted((PACKAGE / "config").glob("*.py"))
        if path.name != "__init__.py"
    ]
    assert not loaded_by(import_all(names)) & {*HEAVY, "numpy", "scipy", "pandas", "pyarrow"}


def wiring() -> list[str]:
    """Return the modules of clusterprobe that the Snakefile and its rules import."""
    found = set()
    for path in [REPOSITORY / "Snakefile", *sorted(REPOSITORY.glob("workflow/rules/*.smk"))]:
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith(("from clusterprobe", "import clusterprobe")):
                [node] = ast.parse(line).body
                if isinstance(node, ast.ImportFrom):
                    module = (node.module or "").replace(".", "/")
                    found |= {
                        f"{node.module}.{alias.name}"
                        if (SOURCE / module / f"{alias.name}.py").exists()
                        else str(node.module)
                        for alias in node.names
                    }
                elif isinstance(node, ast.Import):
                    found |= {alias.name for alias in node.names}
    return sorted(found)


def test_snakefile_wiring_is_light() -> None:
    """Every job on a cluster parses the Snakefile anew: it must not wait for torch."""
    modules = wiring()
    assert {"clusterprobe.config.loading", "clusterprobe.store.digests"} <= set(modules)
    assert not loaded_by(import_all(modules)) & {*HEAVY, "numpy", "scipy", "pandas", "pyarrow"}
