"""Lists of classes, and the superclasses that classes belong to: shipped by name, or CSV files by path."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from clusterprobe.config.errors import UserError, nearest

_SHIPPED = Path(__file__).parent


def read_classes(value: Any) -> Any:
    """Return class names in label order: those of a list, if `value` is the name or path of one.

    A list that ships with clusterprobe goes by its name; a CSV file needs the column `class`. Anything but a
    text is given back as it is. Raises UserError for an unknown list, other columns, an empty value, and a
    class that occurs twice.
    """
    if not isinstance(value, str):
        return value
    path = _find(value, "classes")
    return [name for (name,) in _rows(path, ["class"])]


def read_superclasses(value: Any) -> Any:
    """Return class -> superclass, in the order in which both are shown; see `read_classes`.

    A CSV file needs the columns `class` and `superclass`.
    """
    if not isinstance(value, str):
        return value
    path = _find(value, "superclasses")
    return dict(_rows(path, ["class", "superclass"]))


def hashes_of_lists(lists: Mapping[str, str]) -> dict[str, str]:
    """Return for each split the SHA-256 of its list of images: what it says counts, not where it lies."""
    found = {}
    for split, place in lists.items():
        path = Path(place).expanduser()
        if not path.is_file():
            raise UserError(f"lists.{split}: {path.absolute()} does not exist; correct the path")
        found[split] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _find(value: str, kind: str) -> Path:
    path = Path(value).expanduser()
    if path.suffix == ".csv":
        if not path.is_file():
            raise UserError(f"{path.absolute()} does not exist; correct the path")
        return path
    path = _SHIPPED / kind / f"{value}.csv"
    if not path.is_file():
        shipped = [file.stem for file in path.parent.glob("*.csv")]
        hint = nearest(value, shipped)
        raise UserError(f"no {kind} {value!r} ship with clusterprobe; {hint} (or the path of a .csv file)")
    return path


def _rows(path: Path, columns: list[str]) -> list[list[str]]:
    """Return the values of some columns, row by row; the first of them is never the same twice."""
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
            raise UserError(f"{path} has the columns {reader.fieldnames}; it also needs {missing}")
        rows = [[row[column] or "" for column in columns] for row in reader]
    if not rows:
        raise UserError(f"{path} names no class; name at least one")
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        if not all(row):
            raise UserError(f"{path}, row {number}: a value of {columns} is empty; fill it or remove the row")
        if row[0] in seen:
            raise UserError(f"{path}, row {number}: names {row[0]!r} a second time; keep one of the two rows")
        seen.add(row[0])
    return rows
