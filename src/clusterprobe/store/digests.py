"""Digests of code: what an adapter runs, comments, layout and docstrings left out; and data that it reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from clusterprobe.store.hashing import sha256_bytes, sha256_file
from clusterprobe.store.syntax import read_syntax

SOURCE = Path(__file__).resolve().parents[1]
PACKAGE = SOURCE.name

DATA = {
    "clusterprobe.images.label_maps": "maps",
    "clusterprobe.report.picture_gallery": "gallery_page",
    "clusterprobe.report.published": "published",
}
"""Modules with a folder of data beside them that they read: it is part of their code."""


def code_digest(script: Path | None, modules: Iterable[str] = ()) -> str:
    """Return 16 hex digits over a script and all modules of this package that it imports, transitively.

    `modules` names modules that are loaded by name at run time (an objective, say). Editing a comment,
    the layout or a docstring changes nothing; editing a function changes the digest of whoever imports it.
    """
    adapter = Source("", frozenset()) if script is None else read_source(Path(script))
    closure = sorted(import_closure(adapter.imports | set(modules)))
    texts = [adapter.text, *(f"{name}\n{read_source(module_path(name)).text}" for name in closure)]
    texts += [read_data(module_path(name).parent / DATA[name]) for name in closure if name in DATA]
    return sha256_bytes("\0".join(texts).encode("utf-8"))[:16]


def import_closure(modules: Iterable[str]) -> set[str]:
    """Return the modules and all modules of this package that they import, transitively."""
    closure: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        closure.add(name)
        waiting |= read_source(module_path(name)).imports - closure
    return closure


def module_path(name: str) -> Path:
    """Return the source file of a module of this package."""
    path = SOURCE.joinpath(*name.split(".")[1:])
    package = path / "__init__.py"  # a folder without it only holds data; a module may have its name
    return package if package.exists() else path.with_suffix(".py")


@cache
def read_data(folder: Path) -> str:
    """Return the name and the SHA-256 of every file in a folder."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return "\n".join(f"{path.name} {sha256_file(path)}" for path in files)


@dataclass(frozen=True)
class Source:
    """What matters of a file: its text as the syntax tree says it, and our modules that it imports."""

    text: str
    imports: frozenset[str]


@cache
def read_source(path: Path) -> Source:
    """Parse a source file; comments, layout and docstrings are left out of the text."""
    text, imported = read_syntax(path)
    modules = {_module_of(module, name) if name else module for module, name in imported if _ours(module)}
    return Source(text, frozenset(modules))


def _ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _module_of(package: str, name: str) -> str:
    """`from package import name` imports a module if such a file exists, else a thing in package."""
    candidate = f"{package}.{name}"
    return candidate if module_path(candidate).exists() else package
