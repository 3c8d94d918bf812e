"""scikit-learn's 1,797 handwritten digits (8 x 8 pixels): real data that needs no download."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from clusterprobe.images.decode import to_pnm
from clusterprobe.images.listing import ImageSource, ListedDataset, Listing
from clusterprobe.images.splits import stratified_test_mask


@dataclass(frozen=True)
class DigitsSource(ImageSource):
    """The digits by row number, as grey images whose ink of 0..16 is scaled to 0..255."""

    def fetch(self, location: str) -> bytes:
        values, _ = load_digits()
        return to_pnm(Image.fromarray(values[int(location)]))

    def name(self, location: str) -> str:
        return f"digit {location}"


def list_digits(definition: Mapping[str, Any]) -> ListedDataset:
    """List the digits with a stratified test split of `test_fraction` drawn by `split_seed`."""
    _, labels = load_digits()
    ids = [f"digit-{row:04d}" for row in range(len(labels))]
    everything = Listing(DigitsSource(), ids, [str(row) for row in range(len(ids))], [str(d) for d in labels])
    test = stratified_test_mask(
        ids, labels, float(definition.get("test_fraction", 0.2)), int(definition.get("split_seed", 0))
    )
    splits = {
        "train": everything.subset(np.flatnonzero(~test)),
        "test": everything.subset(np.flatnonzero(test)),
    }
    return ListedDataset(splits, tuple("0123456789"), {"kind": "digits"})


@functools.cache
def load_digits() -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return images uint8 [1797, 8, 8] (ink 0..16 as 0..255, rounded) and labels int64 [1797].

    The table that scikit-learn ships is read without importing scikit-learn, which takes seconds.
    """
    package = importlib.util.find_spec("sklearn")
    table = Path(str(package and package.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    if table.exists():
        rows = np.loadtxt(table, delimiter=",")
        ink, labels = rows[:, :-1], rows[:, -1]
    else:
        from sklearn.datasets import load_digits as load_with_sklearn

        ink, labels = load_with_sklearn(return_X_y=True)
    values = np.rint(ink * (255 / 16)).astype(np.uint8)
    return values.reshape(-1, 8, 8), labels.astype(np.int64)
