"""Source files as their syntax says them, kept from run to run: parsing all takes most of a second."""

from __future__ import annotations

import ast
import json
import os
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from clusterprobe.store.hashing import sha256_bytes

Imports = list[tuple[str, str]]


def read_syntax(path: Path) -> tuple[str, Imports]:
    """Return the text of a source file without comments, layout and docstrings, and what it imports.

    Imports are pairs of a module and a name in it, which is empty where the module itself is imported. Both
    are kept beside the file as Python keeps its bytecode, where that can be written, and hold for the same
    bytes only.
    """
    data = path.read_bytes()
    key = sha256_bytes(data + _parser())
    kept = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.syntax"
    with suppress(OSError, ValueError):
        known, text, imports = json.loads(kept.read_bytes())
        if known == key:
            return text, [(module, name) for module, name in imports]
    text, imports = _parse(data)
    _keep(kept, json.dumps([key, text, imports]))
    return text, imports


@cache
def _parser() -> bytes:
    """Return what decides how a file is parsed: this one, and Python."""
    return Path(__file__).read_bytes() + sys.version.encode("utf-8")


def _parse(data: bytes) -> tuple[str, Imports]:
    imports: Imports = []
    tree = ast.parse(data)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = _without_docstring(node.body)
        elif isinstance(node, ast.Import):
            imports += [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports += [(node.module, alias.name) for alias in node.names]
    return ast.unparse(tree), imports


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        return body[1:] or [ast.Pass()]
    return body


def _keep(path: Path, text: str) -> None:
    """Write a file whole or not at all; what it holds can be made again, so that no failure counts."""
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
