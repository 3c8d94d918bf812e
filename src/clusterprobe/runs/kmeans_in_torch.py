"""A cell of k-means in torch: on one GPU, or on several in one process each, among which the rows are shared.

Loaded by name where a GPU is asked for: other jobs load no torch, and this code does not count for them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from clusterprobe.cluster import device_kmeans
from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.kmeans import KMeansModel
from clusterprobe.runs.kmeans import Kernels, fit_cell, write_fits
from clusterprobe.runs.processes import in_processes
from clusterprobe.store.row_range import RowRange
from clusterprobe.store.rows import Rows
from clusterprobe.store.state import load_state, save_state
from clusterprobe.train import distributed

_OF_LLOYD = {"restarts", "max_iterations", "tolerance"}


def kernels(device: str) -> Kernels:
    """Return Lloyd's algorithm and assignments in torch for the rows of this process.

    Of several processes each has a share of the rows; every one of them finds the models and assignments of
    all, and the first keeps the finished seeds.
    """
    return Kernels(
        lambda rows: RowRange(rows, distributed.share(rows.shape[0])),
        lambda rows, spherical, _: device_kmeans.points_on(rows, spherical, device),
        _fit,
        partial(_assign, device=device),
        _load,
        _save,
    )


def fit_in_processes(
    processes: int, cell: Mapping[str, Any], code: str, model: Path, assignments: Path, *, device: str
) -> int:
    """Fit a cell in several processes on GPUs of their own, or all on the CPU, and write what is found.

    Returns 0, or the exit code for this process; raises the UserError of the process that failed first.
    """
    given = {"cell": cell, "code": code, "model": str(model), "assignments": str(assignments)}
    return in_processes(processes, fit_share, given | {"device": device})


def fit_share(cell: Mapping[str, Any], code: str, model: str, assignments: str, device: str) -> int:
    """Fit a cell together with the other processes of the group; the first one writes the files."""
    if device == "cuda" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    fits = fit_cell(cell, code, kernels=kernels(device))
    if distributed.rank() == 0:
        write_fits(fits, Path(model), Path(assignments))
    else:
        for _ in fits:
            pass
    return 0


def _fit(points: Any, k: int, seed: int, **options: Any) -> KMeansModel:
    known = {name: options[name] for name in _OF_LLOYD & options.keys()}
    return device_kmeans.fit_kmeans(points, k, seed, **known)


def _assign(rows: Rows, model: KMeansModel, *, device: str) -> Assignment:
    own = device_kmeans.assign(rows, model, device=device)
    columns = (own.cluster, own.second, own.distance, own.confidence)
    return Assignment(*(distributed.gather(torch.from_numpy(column)).numpy() for column in columns))


def _load(state: Path, made_from: str) -> bytes | None:
    return distributed.from_first(load_state(state, made_from) if distributed.rank() == 0 else None)


def _save(state: Path, payload: bytes, made_from: str) -> None:
    if distributed.rank() == 0:
        save_state(state, payload, made_from)
