"""Digests of code: what an adapter runs, comments, layout and docstrings left out."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from clusterprobe.store.hashing import sha256_bytes

SOURCE = Path(__file__).resolve().parents[1]
PACKAGE = SOURCE.name


def code_digest(script: Path | None, modules: Iterable[str] = ()) -> str:
    """Return 16 hex digits over a script and all modules of this package that it imports, transitively.

    `modules` names modules that are loaded by name at run time (an objective, say). Editing a comment,
    the layout or a docstring changes nothing; editing a function changes the digest of whoever imports it.
    """
    texts = [] if script is None else [normalised_source(Path(script))]
    roots = set(modules) if script is None else set(modules) | imported_modules(Path(script))
    texts += [f"{name}\n{normalised_source(module_path(name))}" for name in sorted(import_closure(roots))]
    return sha256_bytes("\0".join(texts).encode("utf-8"))[:16]


def import_closure(modules: Iterable[str]) -> set[str]:
    """Return the modules and all modules of this package that they import, transitively."""
    closure: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        closure.add(name)
        waiting |= imported_modules(module_path(name)) - closure
    return closure


def module_path(name: str) -> Path:
    """Return the source file of a module of this package."""
    path = SOURCE.joinpath(*name.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def normalised_source(path: Path) -> str:
    """Return the source as its syntax tree says it: no comments, no layout, no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


@cache
def imported_modules(path: Path) -> set[str]:
    """Return the modules of this package that a source file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if _ours(alias.name)}
        elif isinstance(node, ast.ImportFrom) and node.module and _ours(node.module):
            found |= {_module_of(node.module, alias.name) for alias in node.names}
    return found


def _ours(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def _module_of(package: str, name: str) -> str:
    """`from package import name` imports a module if such a file exists, else a thing in package."""
    candidate = f"{package}.{name}"
    return candidate if module_path(candidate).exists() else package
