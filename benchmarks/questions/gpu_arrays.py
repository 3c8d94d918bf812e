"""Components, one k-means and neighbours on a GPU against the same on arrays: speed, and that they agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.harness import Outcome, Question, Size, timed
from benchmarks.synthetic import Features
from clusterprobe.cluster import device_kmeans, device_neighbours, kmeans, neighbours
from clusterprobe.features import device_pca, pca
from clusterprobe.store.rows import ArrayRows

QUESTION = Question(
    "gpu-arrays",
    "components, 10 passes of k-means (K = 1000) and exact neighbours (top 20) of 100,000 x 1024 on a GPU",
    "the same on arrays with 2 threads",
    1,
    quick="components, 10 passes of k-means (K = 100) and exact neighbours (top 20) of 20,000 x 256 on a GPU",
)
_INERTIA, _VARIANCES, _LISTS = 1e-5, 1e-8, 0.999


def measure(size: Size) -> Outcome:
    if not torch.cuda.is_available():
        return Outcome(None, note="torch sees no GPU")
    return compare(*size.choose((20_000, 256, 100), (100_000, 1024, 1000)), "cuda")


def compare(count: int, dims: int, k: int, device: str) -> Outcome:
    """Run everything on a device and on arrays."""
    rows = ArrayRows(Features(count, dims).array()[0], "synthetic")
    start = rows.take(np.sort(np.random.default_rng(0).choice(count, k, replace=False)))
    options: dict[str, Any] = {"initial": start, "max_iterations": 10, "tolerance": 0.0}
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "components": (lambda: device_pca.fit_pca(rows, device), lambda: pca.fit_pca(rows)),
        "k-means": (
            lambda: device_kmeans.fit_kmeans(rows, k, 0, device=device, **options),
            lambda: kmeans.fit_kmeans(rows, k, 0, **options),
        ),
        "neighbours": (
            lambda: device_neighbours.mine_neighbours(rows, 20, device),
            lambda: neighbours.mine_neighbours(rows, 20),
        ),
    }
    device_pca.fit_pca(ArrayRows(rows.values[:100], "synthetic"), device)  # libraries are loaded
    facts: dict[str, float] = {}
    found = {}
    for name, (on_device, on_arrays) in pairs.items():
        mine, first = timed(on_device)
        theirs, second = timed(on_arrays)
        facts |= {f"{name}, seconds": mine, f"{name} on arrays, seconds": theirs}
        found[name] = first, second
    agreement = {
        "variances, largest relative difference": float(
            np.abs(found["components"][0].variances / found["components"][1].variances - 1).max()
        ),
        "inertia, relative difference": abs(found["k-means"][0].inertia / found["k-means"][1].inertia - 1),
        "equal neighbours": float((found["neighbours"][0] == found["neighbours"][1]).mean()),
    }
    ours = sum(facts[f"{name}, seconds"] for name in pairs)
    difference, inertia, same = agreement.values()
    return Outcome(
        sum(facts[f"{name} on arrays, seconds"] for name in pairs) / ours,
        facts | agreement,
        holds=difference <= _VARIANCES and inertia <= _INERTIA and same >= _LISTS,
    )
