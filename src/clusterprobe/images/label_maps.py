"""Which class of one data set means which class of another: by name, never by position."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError, nearest

_SHIPPED = Path(__file__).parent / "maps"
_COLUMNS = ["source_class", "target_class"]


@dataclass(frozen=True)
class LabelMap:
    """Target class by source class; several sources may share a target, an unnamed source has none."""

    name: str
    targets: dict[str, str]

    def indices(self, source_classes: Sequence[str], target_classes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return int64 [len(source_classes)]: the index of the target of each source class, -1 for none.

        Raises UserError for a name in the map that is not among the classes, with the nearest one.
        """
        self._check(self.targets, source_classes, "source")
        self._check(self.targets.values(), target_classes, "target")
        index = {name: position for position, name in enumerate(target_classes)}
        return np.array(
            [index[self.targets[name]] if name in self.targets else -1 for name in source_classes],
            dtype=np.int64,
        )

    def _check(self, names: Iterable[str], classes: Sequence[str], side: str) -> None:
        for name in names:
            if name not in classes:
                raise UserError(
                    f"label map {self.name}: {name!r} is no {side} class; {nearest(name, classes)}; "
                    "correct the map or the data set's classes"
                )


def load_label_map(name_or_path: str | Path) -> LabelMap:
    """Read a label map: the name of one that ships with the package, or the path of a CSV file.

    The columns are source_class,target_class; an empty target says that a class has no counterpart. Raises
    UserError for an unknown name, other columns, and a source class that is named twice.
    """
    path = Path(name_or_path)
    if path.suffix != ".csv":
        path = _SHIPPED / f"{name_or_path}.csv"
        if not path.exists():
            hint = nearest(str(name_or_path), [shipped.stem for shipped in _SHIPPED.glob("*.csv")])
            raise UserError(
                f"no label map {str(name_or_path)!r} ships with clusterprobe; {hint}, or name a .csv"
            )
    elif not path.exists():
        raise UserError(f"label map {path} does not exist; correct the path")
    with path.open(newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        if reader.fieldnames != _COLUMNS:
            raise UserError(f"label map {path} has the columns {reader.fieldnames}; it needs {_COLUMNS}")
        rows = [(row["source_class"], row["target_class"]) for row in reader]
    targets: dict[str, str] = {}
    seen: set[str] = set()
    for source, target in rows:
        if source in seen:
            raise UserError(f"label map {path} names the source class {source!r} twice; keep one of the rows")
        seen.add(source)
        if target:
            targets[source] = target
    return LabelMap(path.stem, targets)
