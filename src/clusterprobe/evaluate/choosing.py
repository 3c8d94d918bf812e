"""How many clusters there are, by criteria that need no labels; and what else they would have chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clusterprobe.store.tables import read_table

Curves = dict[str, dict[int, float]]


def choose(candidates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was chosen among `candidates` (k, run, and criteria: a file of results, or None).

    `k` and `run` are the choice; `curves` holds the values of every criterion by k, `agreement` the mean of
    these curves, each scaled to reach from 0 to 1; `offered` the numbers that are worth a look: where the
    agreement has a peak, and the best of each criterion. The choice is the highest agreement, of equal ones
    the smallest k. A single candidate is what was asked for.
    """
    by_k = {int(entry["k"]): entry for entry in candidates}
    if len(by_k) == 1:
        [(k, entry)] = by_k.items()
        return {"k": k, "run": entry["run"], "curves": {}, "agreement": {}, "offered": []}
    curves: Curves = {}
    for k in sorted(by_k):
        for name, value in _means(Path(by_k[k]["criteria"])).items():
            curves.setdefault(name, {})[k] = value
    agreement = agreed(curves)
    k = max(agreement, key=lambda each: (agreement[each], -each))
    return {
        "k": k,
        "run": by_k[k]["run"],
        "curves": {name: _texts(curve) for name, curve in curves.items()},
        "agreement": _texts(agreement),
        "offered": sorted(
            {k, *peaks(agreement), *(max(curve, key=curve.__getitem__) for curve in curves.values())}
        ),
    }


def agreed(curves: Curves) -> dict[int, float]:
    """Return the mean of several curves over k after each is scaled to [0, 1]; a flat curve says nothing."""
    scaled = [_scaled(curve) for curve in curves.values() if max(curve.values()) > min(curve.values())]
    common = sorted(set.intersection(*(set(curve) for curve in curves.values())))
    return {k: float(np.mean([curve[k] for curve in scaled])) if scaled else 0.0 for k in common}


def peaks(curve: Mapping[int, float]) -> list[int]:
    """Return where a curve is higher than at both neighbours (at an end: than at the only one)."""
    ks = sorted(curve)
    values = [-np.inf, *(curve[k] for k in ks), -np.inf]
    return [
        k
        for before, value, after, k in zip(values, values[1:], values[2:], ks, strict=False)
        if value > before and value > after
    ]


def _scaled(curve: Mapping[int, float]) -> dict[int, float]:
    low, high = min(curve.values()), max(curve.values())
    return {k: (value - low) / (high - low) for k, value in curve.items()}


def _means(path: Path) -> dict[str, float]:
    """Return the mean of every criterion over the seeds."""
    frame = read_table(path).select(["metric", "value"]).to_pandas()
    return {str(name): float(value) for name, value in frame.groupby("metric")["value"].mean().items()}


def _texts(curve: Mapping[int, float]) -> dict[str, float]:
    return {str(k): value for k, value in sorted(curve.items())}
