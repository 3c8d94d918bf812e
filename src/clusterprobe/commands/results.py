"""Where the result of a folder of pictures lies, and what of it is worth the first look."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from clusterprobe.config.errors import UserError

PLACED = (
    "assignments.csv",
    "duplicates.csv",
    "skipped.csv",
    "gallery.html",
    "gallery-files",
    "report.html",
    "model",
)
_MARK = ".made-by-clusterprobe"


def place_results(out: Path, name: str) -> None:
    """Give the results of `out`/reports/`name` a second name in `out`; what was placed before is replaced."""
    for entry in PLACED:
        source, target = out / "reports" / name / entry, out / entry
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_second_name)
        elif source.exists():
            partial = out / f".{entry}.partial"
            partial.unlink(missing_ok=True)
            _second_name(str(source), str(partial))
            partial.replace(target)
        else:
            target.unlink(missing_ok=True)


def link_tree(assignments: Path, pictures: Path, tree: Path, *, copies: bool) -> None:
    """Make a folder for each cluster below `tree` with a link to, or a copy of, each of its pictures.

    Sub-folders of a picture are kept. An earlier tree is replaced; raises UserError for any other folder.
    """
    if tree.exists() and not (tree / _MARK).exists():
        raise UserError(f"{tree} is not a tree that was made here: move it away")
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    (tree / _MARK).touch()
    with assignments.open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            target = tree / _folder_name(row) / row["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if copies:
                shutil.copy2(pictures / row["path"], target)
            else:
                target.symlink_to(pictures / row["path"])


def summary(out: Path, name: str) -> Iterator[str]:
    """Yield what a person should know at the end, and where to look first."""
    with (out / "assignments.csv").open(encoding="utf-8", newline="") as handle:
        sizes = Counter(row["cluster"] for row in csv.DictReader(handle))
    with (out / "skipped.csv").open(encoding="utf-8", newline="") as handle:
        skipped = list(csv.DictReader(handle))
    with (out / "duplicates.csv").open(encoding="utf-8", newline="") as handle:
        repeated = list(csv.DictReader(handle))
    choice = json.loads((out / "data" / "pictures" / name / "choice.json").read_text(encoding="utf-8"))
    total, largest = sum(sizes.values()), max(sizes.values())
    yield f"{total:,} pictures in {len(sizes)} clusters, the largest of {largest:,}."
    if choice["curves"]:
        others = ", ".join(str(k) for k in choice["offered"] if k != choice["k"]) or "no other"
        yield f"{choice['k']} clusters, where the criteria agree most; also worth a look: {others}."
    if repeated:
        groups = len({row["group"] for row in repeated})
        place = out / "duplicates.csv"
        yield f"{len(repeated)} pictures are there more than once, in {groups} groups: {place}"
    if skipped:
        example, place = skipped[0]["path"], out / "skipped.csv"
        yield f"{len(skipped)} files could not be used, for example {example!r}: {place}"
    yield f"Look first at {out / 'gallery.html'}"
    yield f"Table: {out / 'assignments.csv'}   Report: {out / 'report.html'}"
    yield f"New pictures: clusterprobe assign {out / 'model'} FOLDER"


def _second_name(source: str, target: str) -> str:
    """Link a file, or copy it where the disk has no such links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _folder_name(row: dict[str, str]) -> str:
    """Return a folder name for a cluster: its number, and its name if it has one."""
    name = re.sub(r"[^\w .-]", "_", row.get("name") or "").strip(" .")
    return f"{int(row['cluster']):03d}{f' {name}' if name else ''}"
