"""Labels of pictures from a table, in place of sub-folders."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from clusterprobe.config.errors import UserError

_COLUMNS = ("path", "label")


def read_labels(path: Path, pictures: Iterable[str]) -> dict[str, str]:
    """Return the label of every picture that a CSV file names, empty labels left out.

    The file has the columns path (relative to the folder of the pictures) and label. Raises UserError if it
    cannot be read, lacks a column, names a picture twice with different labels, or names none of `pictures`.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle)
            columns = reader.fieldnames or []
            if missing := [name for name in _COLUMNS if name not in columns]:
                raise UserError(f"{path} has no column {missing[0]!r}, only {', '.join(columns) or 'none'}")
            rows = [(row["path"], (row["label"] or "").strip()) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"the labels in {path} cannot be read ({error})") from error
    labels: dict[str, str] = {}
    for name, label in rows:
        if label and labels.setdefault(name, label) != label:
            raise UserError(f"{path} gives {name!r} two labels, {labels[name]!r} and {label!r}: keep one")
    known = set(pictures)
    if not labels.keys() & known:
        example = next(iter(labels), None)
        raise UserError(
            f"{path} labels none of the pictures (its first is {example!r}): "
            "paths are relative to their folder"
        )
    return {name: label for name, label in labels.items() if name in known}
