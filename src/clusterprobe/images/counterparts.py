"""Which class of a transfer set is which class of the fitted one: by the map that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.images.label_maps import load_label_map

SAME_NAMES = "same-names"
"""Classes of one name are one class."""

PROVIDED = "provided"
"""The map that comes with the transfer set: ObjectNet has one from ImageNet."""

Indices = npt.NDArray[np.int64]


def class_indices(
    label_map: str,
    source_classes: Sequence[str],
    target_classes: Sequence[str],
    provided: Mapping[str, str] | None = None,
) -> Indices:
    """Return int64 [source classes]: the index of the counterpart of each in the target classes, -1 for none.

    `label_map` is `same-names`, `provided` (then `provided` holds target class by source class), or what
    `load_label_map` reads. The first two join what both sets have, so that they fit parts of a set. Raises
    UserError if a map does not fit.
    """
    if label_map == SAME_NAMES:
        return _joined({name: name for name in source_classes}, source_classes, target_classes)
    if label_map == PROVIDED:
        if not provided:
            raise UserError(f"label map {PROVIDED!r}: the transfer set comes with no map; name another one")
        return _joined(provided, source_classes, target_classes)
    return load_label_map(label_map).indices(source_classes, target_classes)


def _joined(pairs: Mapping[str, str], source: Sequence[str], target: Sequence[str]) -> Indices:
    index = {name: position for position, name in enumerate(target)}
    return np.array([index.get(pairs.get(name, ""), -1) for name in source], dtype=np.int64)
