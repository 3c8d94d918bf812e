"""Results that look like those of a small experiment, without running one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

CLASSES = {"digits": 10, "digits-shifted": 10}
LEVELS = {"pixels": 0.66, "untrained network": 0.48, "SimCLR": 0.83, "SimCLR + CLD": 0.86}
METHOD_GAIN = {"kmeans": 0.0, "spherical-kmeans": 0.01, "scan": 0.06}


def make_results(seeds: int = 3) -> pd.DataFrame:
    """Return a frame in the columns of results: home and transfer, sweeps over k and dims, purity."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for encoder, level in LEVELS.items():
        for seed in range(seeds):
            for cell in _cells():
                rows += list(_metrics(cell | {"encoder": encoder, "seed": seed}, level, draw))
        for near in (1, 5, 10, 20):
            value = level + 0.12 - 0.004 * near
            rows.append(_row({"encoder": encoder, "split": "train"}, f"neighbour_purity@{near}", value))
    return pd.DataFrame(rows)


@pytest.fixture(scope="session")
def _results() -> pd.DataFrame:
    return make_results()


@pytest.fixture
def results(_results: pd.DataFrame) -> pd.DataFrame:
    """Results of three seeds, free to be changed."""
    return _results.copy()


@pytest.fixture(scope="session")
def one_seed() -> pd.DataFrame:
    """Results of one seed."""
    return make_results(seeds=1)


@pytest.fixture(scope="session")
def classes() -> dict[str, int]:
    """Number of classes by data set."""
    return dict(CLASSES)


def _cells() -> Iterator[dict[str, Any]]:
    for method in METHOD_GAIN:
        for dataset in ("digits", "digits-shifted"):
            yield {"method": method, "dataset": dataset}
            if method == "kmeans":
                yield from ({"method": method, "dataset": dataset, "k": k} for k in (15, 20))
                yield from (
                    {"method": method, "dataset": dataset, "dims": dims} for dims in (2, 4, 8, 16, 32)
                )


def _metrics(cell: dict[str, Any], level: float, draw: np.random.Generator) -> Iterator[dict[str, Any]]:
    swept = "k" in cell or "dims" in cell
    cell = {"k": 10, "dims": None, "variant": "sweep" if swept else "default"} | cell
    away = cell["dataset"] != "digits"
    acc = level + METHOD_GAIN[cell["method"]] + draw.normal(0, 0.012) - 0.2 * away
    acc -= 0.0 if cell["dims"] is None else 0.3 / cell["dims"]
    acc += 0.03 * (cell["k"] - 10) / 10
    values = {"acc": acc, "acc_val": acc + 0.004, "acc_majority": acc + 0.02, "ami": acc - 0.03}
    values |= {"ari": acc - 0.1, "nmi": acc - 0.02, "clusters_used": float(cell["k"]), "entropy": 2.1}
    values |= {"largest_share": 0.14, "chance_acc": 0.17, "inertia": 4000.0}
    yield from (_row(cell, metric, value) for metric, value in values.items())


def _row(cell: dict[str, Any], metric: str, value: float) -> dict[str, Any]:
    trained = "SimCLR" in cell["encoder"]
    fixed = {
        "experiment": "synthetic",
        "fit_dataset": "digits",
        "dataset": "digits",
        "split": "test",
        "encoder_id": f"{cell['encoder']}-00000000",
        "encoder_seed": cell.get("seed") if trained else None,
        "features": "features-00000000",
        "reducer": "pca",
        "dims": None,
        "method": None,
        "variant": None,
        "head": None,
        "protocol": "clean",
        "k": None,
        "seed": None,
        "run": f"{cell.get('method')}-{cell.get('k')}-{cell.get('dims')}",
        "n": 360,
    }
    return fixed | cell | {"metric": metric, "value": value}
