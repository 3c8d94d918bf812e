"""k-means on blocks of rows: fit, assign, and the model in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.comparison import Comparison, comparison_with_rows, evenly_spaced
from clusterprobe.cluster.initialisation import seed_centres
from clusterprobe.cluster.lloyd import Fit, Start, lloyd
from clusterprobe.cluster.minibatch import default_batch_size, minibatch
from clusterprobe.cluster.nearest import Int32, block_rows, squared_distances
from clusterprobe.cluster.points import Points
from clusterprobe.cluster.similarity import pair_products
from clusterprobe.config.errors import UserError
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Float32, Part, Rows
from clusterprobe.store.threads import in_order

MEMORY_BYTES = 4 * 2**30
"""How much memory rows may take as float32 to be kept there."""


_AFTER = "centres-after-"


@dataclass(frozen=True)
class KMeansModel:
    """Centres [K, D] float32 in `space`, their inertia on the rows of the fit, its iterations (or epochs).

    The inertia is the sum of squared distances, or the sum of 1 - cosine if spherical. `trace` holds the
    centres after some passes.
    """

    centres: Float32
    inertia: float
    iterations: int
    space: str
    spherical: bool
    trace: Mapping[int, Float32] = field(default_factory=dict)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the model as named arrays."""
        return {
            "centres": self.centres,
            "inertia": np.asarray(self.inertia),
            "iterations": np.asarray(self.iterations),
            "space": np.asarray(self.space),
            "spherical": np.asarray(self.spherical),
        } | {f"{_AFTER}{number}": centres for number, centres in self.trace.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> KMeansModel:
        """Make a model of what to_arrays returned."""
        return cls(
            centres=np.ascontiguousarray(arrays["centres"], dtype=np.float32),
            inertia=float(arrays["inertia"]),
            iterations=int(arrays["iterations"]),
            space=str(arrays["space"]),
            spherical=bool(arrays["spherical"]),
            trace={
                int(name.removeprefix(_AFTER)): np.ascontiguousarray(values, dtype=np.float32)
                for name, values in arrays.items()
                if name.startswith(_AFTER)
            },
        )


def fit_kmeans(
    rows: Rows | Points,
    k: int,
    seed: int,
    *,
    algorithm: Literal["lloyd", "minibatch"] = "lloyd",
    spherical: bool = False,
    restarts: int = 1,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
    epochs: int = 60,
    batch_size: int | None = None,
    reassignment_ratio: float = 0.01,
    initial: Float32 | None = None,
    trace: Sequence[int] = (),
    memory_bytes: int = MEMORY_BYTES,
) -> KMeansModel:
    """Fit k centres to rows [N, D]; the best inertia of `restarts` counts, equal seeds give equal bytes.

    lloyd: until no label changes, the centres move less than `tolerance` (squared, relative to the variance),
    or `max_iterations`. minibatch: `epochs` passes in batches of max(2048, 2^ceil(log2 k)), or `batch_size`,
    as in arXiv 2008.10312. spherical: rows and centres of unit length, by cosine. `initial` [K, D] takes the
    place of k-means++. The model keeps the centres after the passes in `trace`; those of a fit that settled
    before are its last. Rows of at most `memory_bytes` as float32 are kept in memory; `Points` made of them
    once serve several fits. A long fit reports its progress on stderr.
    Raises UserError for a k that does not fit the rows, for bad options and for values that are not finite.
    """
    batch_size = default_batch_size(max(k, 1)) if batch_size is None else batch_size
    _check(rows, k, algorithm, restarts, max_iterations, epochs, batch_size)
    points = rows
    if not isinstance(points, Points):
        points = Points.of(points, spherical=spherical, memory_bytes=memory_bytes)
    given = None if initial is None else _given_centres(initial, points, k)
    passes = restarts * (max_iterations if algorithm == "lloyd" else epochs)

    def fit(stream: np.random.SeedSequence) -> tuple[Fit, dict[int, Float32]]:
        generator, passed = np.random.default_rng(stream), _Trace(trace)
        seen: dict[str, Any] = {"report": progress.update, "watch": passed.watch}
        if algorithm == "lloyd":
            first = seed_centres(points, k, generator, progress.update) if given is None else Start(given)
            found = lloyd(points, first, max_iterations=max_iterations, tolerance=tolerance, **seen)
        else:
            steps = {"epochs": epochs, "batch_size": batch_size, "reassignment_ratio": reassignment_ratio}
            found = minibatch(points, k, generator, initial=given, **steps, **seen)  # type: ignore[arg-type]
        return found, passed.complete(found.centres, points.offset)

    with Progress(f"{k}-means, at most {passes} passes", passes * points.count, "rows") as progress:
        fits = map(fit, np.random.SeedSequence(seed).spawn(restarts))
        best, passed = min(fits, key=lambda pair: pair[0].inertia)
        progress.finish(f"{best.iterations} passes")
    # on the unit sphere |x - c|^2 = 2 (1 - x.c)
    inertia = best.inertia / 2 if points.spherical else best.inertia
    return KMeansModel(
        best.centres + points.offset, inertia, best.iterations, rows.space, points.spherical, passed
    )


class _Trace:
    """The centres after some passes of a fit."""

    def __init__(self, wanted: Sequence[int]) -> None:
        self._wanted = sorted(set(wanted))
        self._seen: dict[int, Float32] = {}

    def watch(self, number: int, centres: Float32) -> None:
        """Keep the centres after a pass that is wanted."""
        if number in self._wanted:
            self._seen[number] = centres.copy()

    def complete(self, last: Float32, offset: Float32) -> dict[int, Float32]:
        """Return centres [K, D] by pass, moved back by `offset`; `last` where a pass was not needed."""
        return {number: self._seen.get(number, last) + offset for number in self._wanted}


def assign(rows: Rows, model: KMeansModel) -> Assignment:
    """Find the nearest centre of each of the rows [N, D]; raises UserError for rows of another space."""
    if rows.space != model.space or rows.shape[1] != model.centres.shape[1]:
        raise UserError(
            f"these features are of the space {rows.space!r} with {rows.shape[1]} columns, the clusters of "
            f"{model.space!r} with {model.centres.shape[1]}: take the encoder and the reducer of the fit"
        )
    offset = np.zeros(rows.shape[1], np.float32) if model.spherical else model.centres.mean(axis=0)

    def points(block: Float32) -> Float32:
        require_finite(block, rows.space)
        return unit_length(block) if model.spherical else block - offset

    sample = points(rows.take(evenly_spaced(rows.shape[0])))
    centres = comparison_with_rows(rows.shape[0], sample, model.centres - offset)
    result = Assignment(
        np.empty(rows.shape[0], np.int32),
        np.empty(rows.shape[0], np.int32),
        np.empty(rows.shape[0], np.float32),
        np.ones(rows.shape[0], np.float32),
    )

    def look(part: Part) -> int:
        block = points(part.read())
        _assign_block(block, centres, model.spherical, result, part.where)
        return len(block)

    with Progress(f"assignment to {len(centres.values)} clusters", rows.shape[0], "rows") as progress:
        for count in in_order(look, rows.parts(block_rows(rows.shape[1]))):
            progress.update(count)
        progress.finish("done")
    return result


def _assign_block(
    block: Float32, centres: Comparison, spherical: bool, result: Assignment, where: slice
) -> None:
    """Write down what the points [n, D] of one block are assigned to."""
    result.cluster[where], result.second[where] = centres.nearest_two(where, block)
    distance = _distances(block, centres.values, result.cluster[where], spherical)
    result.distance[where] = distance
    if len(centres.values) > 1:
        other = _distances(block, centres.values, result.second[where], spherical)
        ratio = np.divide(distance, other, out=np.ones_like(distance), where=other > 0)
        result.confidence[where] = 1 - np.minimum(ratio, 1)


def _distances(block: Float32, centres: Float32, labels: Int32, spherical: bool) -> Float32:
    """Return the distance [n] of each row [n, D] to its own one of the centres [K, D]."""
    if spherical:
        cosines = pair_products(block, np.arange(len(block)), centres, labels.astype(np.int64))
        return np.maximum(1 - cosines, np.float32(0))
    return np.sqrt(squared_distances(block, centres, labels))


def _given_centres(initial: Float32, points: Points, k: int) -> Float32:
    """Return centres that were given [K, D], moved to where the points are."""
    if initial.shape != (k, points.width):
        raise UserError(f"initial centres have the shape {initial.shape}, expected ({k}, {points.width})")
    return (
        unit_length(initial.astype(np.float32))
        if points.spherical
        else initial.astype(np.float32) - points.offset
    )


def _check(
    rows: Rows | Points,
    k: int,
    algorithm: str,
    restarts: int,
    max_iterations: int,
    epochs: int,
    batch_size: int,
) -> None:
    if not 1 <= k <= rows.shape[0]:
        raise UserError(
            f"k-means with k = {k} on {rows.shape[0]} rows of {rows.space!r}: "
            "choose k from 1 to the number of rows"
        )
    if algorithm not in ("lloyd", "minibatch"):
        raise UserError(f"unknown k-means algorithm {algorithm!r}: choose lloyd or minibatch")
    for name, value in (("restarts", restarts), ("max_iterations", max_iterations), ("epochs", epochs)):
        if value < 1:
            raise UserError(f"k-means option {name} is {value}: it must be at least 1")
    if algorithm == "minibatch" and batch_size < k:
        raise UserError(
            f"batch_size {batch_size} is below k = {k}: the first batch must hold all first centres; raise it"
        )
