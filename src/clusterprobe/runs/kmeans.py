"""One cell of the k-means family: fit every seed, assign every split, keep finished seeds, write the rest."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.kmeans import MEMORY_BYTES, KMeansModel, assign, fit_kmeans
from clusterprobe.cluster.points import Points
from clusterprobe.features.pca import ReducedRows, Rotation, load_pca
from clusterprobe.features.raw_columns import RawColumns
from clusterprobe.runs.assignments import SplitAssignment, assignments_table
from clusterprobe.runs.clusters import number_of_clusters
from clusterprobe.store.arrays import save_arrays
from clusterprobe.store.features import FeatureMatrix, read_records
from clusterprobe.store.hashing import sha256_file
from clusterprobe.store.rows import Rows
from clusterprobe.store.state import fingerprint, load_state, save_state
from clusterprobe.store.tables import write_table

# How the methods of the configuration are spelled as options of the kernel.
METHODS: dict[str, dict[str, Any]] = {
    "kmeans": {"algorithm": "lloyd", "restarts": 10},
    "minibatch-kmeans": {"algorithm": "minibatch"},
    "spherical-kmeans": {"algorithm": "lloyd", "spherical": True, "restarts": 10},
}


class Kernels(NamedTuple):
    """What k-means runs on.

    own: the rows of a split that this process works on
    points: rows, spherical or not, memory in bytes -> what `fit` takes
    fit, assign: as those of cluster.kmeans; of all rows, whichever process has them
    load, save: the state of a finished seed, as store.state does
    """

    own: Callable[[Rows], Rows]
    points: Callable[[Rows, bool, int], Any]
    fit: Callable[..., KMeansModel]
    assign: Callable[[Rows, KMeansModel], Assignment]
    load: Callable[[Path, str], bytes | None] = load_state
    save: Callable[[Path, bytes, str], None] = save_state


def write_cell(
    cell: Mapping[str, Any],
    code: str,
    model: Path,
    assignments: Path,
    *,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
    gpus: int = 0,
) -> int:
    """Fit a cell as `fit_cell` does and write its models and assignments.

    With several GPUs Lloyd's algorithm runs in one process for each. Returns 0, or the exit code for this
    process.
    """
    if gpus > 1 and _in_torch(_options(cell), device):
        several = import_module("clusterprobe.runs.kmeans_in_torch").fit_in_processes
        exit_code: int = several(gpus, cell, code, model, assignments, device=device)
        return exit_code
    write_fits(fit_cell(cell, code, memory_bytes, device), model, assignments)
    return 0


def write_fits(
    fits: Iterable[tuple[KMeansModel, list[SplitAssignment]]], model: Path, assignments: Path
) -> None:
    """Write the models and assignments of all seeds, as `fit_cell` yields them."""
    models, parts = {}, []
    for fitted, assigned in fits:
        models[assigned[0].encoder_seed, assigned[0].seed] = fitted
        parts += assigned
    write_table(assignments, assignments_table(parts))
    save_arrays(model, model_arrays(models))


def fit_cell(
    cell: Mapping[str, Any],
    code: str,
    memory_bytes: int = MEMORY_BYTES,
    device: str = "cpu",
    kernels: Kernels | None = None,
) -> Iterator[tuple[KMeansModel, list[SplitAssignment]]]:
    """Yield the model of each seed and its assignments of all splits, seed by seed.

    `cell` is what config.cells.fitting_cell spells out, `code` the digest of the code that fits. A seed
    that was finished under the same settings, code and features is loaded, not fitted again. Features that
    take at most `memory_bytes` are kept in memory, which changes no result. On the device cuda Lloyd's
    algorithm and assignments run in torch; `kernels` are others than those of the device.
    """
    k = number_of_clusters(cell["clusters"], Path(cell["facts"]))
    options = _options(cell)
    kernels = kernels or _kernels(options, device)
    for member in cell["members"]:
        parts = open_splits(member, cell["reducer"], kernels.own)
        points = _Once(parts[0], options.get("spherical", False), memory_bytes, kernels)
        made_from = _made_from(cell, member, k, code)
        for seed in member["seeds"]:
            state = Path(member["fits"]) / f"seed-{seed}.state"
            model = _fit_once(points, k, seed, options, state, fingerprint([made_from, seed]))
            assigned = zip(member["splits"], parts, strict=True)
            yield (
                model,
                [
                    SplitAssignment.of(part, member, seed, assign_rows(rows, model, kernels.assign))
                    for part, rows in assigned
                ],
            )


def _options(cell: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = METHODS[cell["method"]] | cell["options"]
    return options


def model_arrays(models: Mapping[tuple[int | None, int], KMeansModel]) -> dict[str, npt.NDArray[Any]]:
    """Return the models of all seeds as named arrays: clusters/{seed}, centres/{seed} and so on."""
    arrays = {
        "seeds": np.array([seed for _, seed in models], dtype=np.int64),
        "encoder_seeds": np.array([-1 if seed is None else seed for seed, _ in models], dtype=np.int64),
    }
    for (_, seed), model in models.items():
        arrays |= {f"{name}/{seed}": value for name, value in model.to_arrays().items()}
        arrays |= {f"{name}/{seed}": np.asarray(size) for name, size in _sizes(model).items()}
    return arrays


def _sizes(model: KMeansModel) -> dict[str, int]:
    return dict(zip(("clusters", "dims"), model.centres.shape, strict=True))


def _all(rows: Rows) -> Rows:
    return rows


def open_splits(
    member: Mapping[str, Any], reducer: Mapping[str, Any], own: Callable[[Rows], Rows] = _all
) -> list[Rows]:
    """Open all splits, the one of the fit first; one that is marked as raw is taken for a reduced one.

    `own` says which of the stored rows of a split are wanted.
    """
    stored = [own(FeatureMatrix.open([Path(shard) for shard in part["shards"]])) for part in member["splits"]]
    fitted = _reduced(stored[0], member, reducer)
    return [
        fitted,
        *(
            RawColumns(rows, fitted) if part.get("raw") else _reduced(rows, member, reducer)
            for part, rows in zip(member["splits"][1:], stored[1:], strict=True)
        ),
    ]


def _reduced(rows: Rows, member: Mapping[str, Any], reducer: Mapping[str, Any]) -> Rows:
    pca = load_pca(Path(member["basis"])) if member["basis"] else None
    if pca is None and not reducer["normalise"]:
        return rows
    return ReducedRows(rows, pca, reducer["dims"], reducer["whiten"], reducer["normalise"])


def _made_from(cell: Mapping[str, Any], member: Mapping[str, Any], k: int, code: str) -> dict[str, Any]:
    """Return all that the fit of a member depends on: settings, code and the hashes of its features."""
    train = [Path(shard) for shard in member["splits"][0]["shards"]]
    return {
        "method": cell["method"],
        "reducer": dict(cell["reducer"]),
        "options": dict(cell["options"]),
        "k": k,
        "code": code,
        "features": [record.sha256 for record in read_records(train)],
        "basis": sha256_file(Path(member["basis"])) if member["basis"] else None,
    }


def _fit_once(
    points: _Once, k: int, seed: int, options: Mapping[str, Any], state: Path, made_from: str
) -> KMeansModel:
    saved = points.kernels.load(state, made_from)
    if saved is not None:
        with np.load(io.BytesIO(saved), allow_pickle=False) as arrays:
            return KMeansModel.from_arrays(dict(arrays))
    model = points.fit(k, seed, options)
    buffer = io.BytesIO()
    np.savez(buffer, **model.to_arrays())  # type: ignore[arg-type]
    points.kernels.save(state, buffer.getvalue(), made_from)
    return model


def _kernels(options: Mapping[str, Any], device: str) -> Kernels:
    """Return the kernels on arrays, or those in torch: by name, so that their code counts nowhere else."""
    if _in_torch(options, device):
        in_torch: Kernels = import_module("clusterprobe.runs.kmeans_in_torch").kernels(device)
        return in_torch
    return Kernels(
        _all,
        lambda rows, spherical, memory: Points.of(rows, spherical=spherical, memory_bytes=memory),
        fit_kmeans,
        assign,
    )


def _in_torch(options: Mapping[str, Any], device: str) -> bool:
    """Whether the kernels in torch do it: they know Lloyd's algorithm and leave no trace of its passes."""
    return device == "cuda" and options["algorithm"] == "lloyd" and not options.get("trace")


class _Once:
    """Rows that several seeds are fitted on: they are read and scaled when the first one needs them.

    Rows that a PCA only rotates are clustered as they were, and the centres are rotated: the clusters are the
    same, and no pass has to rotate all rows.
    """

    def __init__(self, rows: Rows, spherical: bool, memory_bytes: int, kernels: Kernels) -> None:
        self._rows, self._spherical, self._memory_bytes = rows, spherical, memory_bytes
        self.kernels = kernels
        self._rotated = None if spherical else _rotated(rows)
        self._points: Any = None

    def fit(self, k: int, seed: int, options: Mapping[str, Any]) -> KMeansModel:
        if self._points is None:
            source = self._rows if self._rotated is None else self._rotated[0]
            self._points = self.kernels.points(source, self._spherical, self._memory_bytes)
        model = self.kernels.fit(self._points, k, seed, **options)
        if self._rotated is None:
            return model
        rotate = self._rotated[1].forward
        trace = {number: rotate(centres) for number, centres in model.trace.items()}
        return replace(model, centres=rotate(model.centres), space=self._rows.space, trace=trace)


def assign_rows(
    rows: Rows, model: KMeansModel, assign: Callable[[Rows, KMeansModel], Assignment] = assign
) -> Assignment:
    """As `assign`, without rotating all rows where rotating the centres does."""
    rotated = None if model.spherical else _rotated(rows)
    if rotated is None or rows.space != model.space:
        return assign(rows, model)
    source, rotation = rotated
    return assign(source, replace(model, centres=rotation.back(model.centres), space=source.space))


def _rotated(rows: Rows) -> tuple[Rows, Rotation] | None:
    return rows.rotated if isinstance(rows, ReducedRows) else None
