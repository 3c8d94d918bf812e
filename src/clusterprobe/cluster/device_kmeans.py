"""k-means in torch: on a GPU, and over several processes that hold a part of the rows each.

Every pass is that of `lloyd`: float32 products choose, float64 sums make the means, empty clusters restart at
the points farthest from their centres. Sums and numbers of the clusters are added up over the processes, so
that all of them move the same centres as one process with all rows would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, distributed

from clusterprobe.cluster.assignment import Assignment
from clusterprobe.cluster.device_points import DevicePoints, Int64, over_processes, processes, rank
from clusterprobe.cluster.initialisation import PASSES_PER_SAMPLE, sample_sizes
from clusterprobe.cluster.kmeans import KMeansModel
from clusterprobe.config.errors import UserError
from clusterprobe.features.device import choose_device
from clusterprobe.store.progress import Progress
from clusterprobe.store.rows import Float32, Rows


class _Fit(NamedTuple):
    centres: Tensor
    inertia: float
    iterations: int


def fit_kmeans(
    rows: Rows | DevicePoints,
    k: int,
    seed: int,
    *,
    device: str = "auto",
    spherical: bool = False,
    restarts: int = 1,
    max_iterations: int = 300,
    tolerance: float = 1e-4,
    initial: Float32 | None = None,
    memory_bytes: int | None = None,
) -> KMeansModel:
    """Fit k centres to rows [N, D] by Lloyd's algorithm on a device; see kmeans.fit_kmeans for the options.

    In a process group `rows` are those of this process, and every process returns the same model. From the
    same `initial` centres the result is that of the CPU but for near-ties: inertias agree to 1e-5. First
    centres are drawn alike where rows are few; on samples they are as good, but others.
    Raises UserError for a k that does not fit the rows and for values that are not finite.
    """
    points = rows
    if not isinstance(points, DevicePoints):
        points = points_on(points, spherical, device, memory_bytes)
    if not 1 <= k <= points.count:
        raise UserError(
            f"k-means with k = {k} on {points.count} rows of {points.rows.space!r}: "
            "choose k from 1 to the number of rows"
        )
    start = None if initial is None else _given(initial, points)
    fits = []
    with _progress(f"{k}-means on {points.device}", restarts * max_iterations * points.count) as progress:
        for stream in np.random.SeedSequence(seed).spawn(restarts):
            first = seed_centres(points, k, np.random.default_rng(stream)) if start is None else start
            fits.append(_lloyd(points, first, max_iterations, tolerance, progress))
        best = min(fits, key=lambda found: found.inertia)
        progress.finish(f"{best.iterations} passes")
    inertia = best.inertia / 2 if points.spherical else best.inertia
    centres = (best.centres + points.offset).cpu().numpy()
    return KMeansModel(centres, inertia, best.iterations, points.rows.space, points.spherical)


def points_on(
    rows: Rows, spherical: bool, device: str = "auto", memory_bytes: int | None = None
) -> DevicePoints:
    """Return rows [N, D] as points on a device, for several fits; see DevicePoints.of."""
    where = choose_device(device)
    return DevicePoints.of(rows, spherical=spherical, device=where, memory_bytes=memory_bytes)


def assign(rows: Rows, model: KMeansModel, *, device: str = "auto") -> Assignment:
    """Find the nearest centre of each of the rows [N, D] on a device, as kmeans.assign does."""
    if rows.space != model.space or rows.shape[1] != model.centres.shape[1]:
        raise UserError(f"these features are of the space {rows.space!r}, the clusters of {model.space!r}")
    where = choose_device(device)
    offset = np.zeros(rows.shape[1], np.float32) if model.spherical else model.centres.mean(axis=0)
    points = DevicePoints(
        rows, model.spherical, where, 0, rows.shape[0], torch.from_numpy(offset).to(where), 0.0
    )
    centres = torch.from_numpy(model.centres - offset).to(where)
    result = Assignment(
        np.empty(rows.shape[0], np.int32),
        np.full(rows.shape[0], -1, np.int32),
        np.empty(rows.shape[0], np.float32),
        np.ones(rows.shape[0], np.float32),
    )
    for here, block in points.blocks(len(centres)):
        nearest = _scores(block, centres).topk(min(2, len(centres)), dim=1).indices
        distances = torch.stack([_distance(block, centres[own], model.spherical) for own in nearest.T])
        result.cluster[here] = nearest[:, 0].cpu().numpy()
        result.distance[here] = distances[0].cpu().numpy()
        if len(centres) > 1:
            result.second[here] = nearest[:, 1].cpu().numpy()
            ratio = torch.where(distances[1] > 0, distances[0] / distances[1], 1).clamp(max=1)
            result.confidence[here] = (1 - ratio).cpu().numpy()
    return result


def seed_centres(points: DevicePoints, k: int, generator: np.random.Generator) -> Tensor:
    """Return first centres [K, D]: k-means++ on a sample, then a few passes over growing samples.

    As initialisation.seed_centres, but k-means++ compares every point of the first sample.
    """
    centres: Tensor | None = None
    for size in sample_sizes(points.count, k):
        chosen = np.sort(generator.choice(points.count, size, replace=False))
        if centres is None:
            centres = plus_plus(points.take(chosen), k, generator)
        sample = points.sample(chosen)
        clusters = _Clusters.none(sample, k)
        for _ in range(PASSES_PER_SAMPLE):
            centres = clusters.step(sample, centres).updated
    return plus_plus(points.take(np.arange(points.count)), k, generator) if centres is None else centres


def plus_plus(sample: Tensor, k: int, generator: np.random.Generator) -> Tensor:
    """Choose k of the rows [M, D] by greedy k-means++, with the draws of initialisation.plus_plus.

    Several processes choose the same: the first one's choice counts.
    """
    trials = 2 + int(math.log(k))
    norms = sample.square().sum(dim=1)
    chosen = torch.empty(k, dtype=torch.int64, device=sample.device)
    chosen[0] = int(generator.integers(len(sample)))
    closest = _squares_to(sample, norms, chosen[:1])[0]
    for number in range(1, k):
        cumulated = closest.double().cumsum(dim=0)
        draws = torch.from_numpy(generator.random(trials)).to(sample.device) * cumulated[-1]
        candidates = torch.searchsorted(cumulated, draws, right=True).clamp(max=len(sample) - 1)
        table = torch.minimum(closest, _squares_to(sample, norms, candidates))
        best = table.sum(dim=1, dtype=torch.float64).argmin()
        closest, chosen[number] = table[best], candidates[best]
    if processes() > 1:
        distributed.broadcast(chosen, 0)
    return sample[chosen]


class _Step(NamedTuple):
    updated: Tensor
    inertia: float
    settled: bool


@dataclass
class _Clusters:
    """Labels [n] of the points of this process, and of all processes the sums [K, D] and numbers [K] of the
    clusters, float64, and the sum of the squared norms of the points."""

    labels: Tensor
    sums: Tensor
    counts: Tensor
    squares: float

    @classmethod
    def none(cls, points: DevicePoints, k: int) -> _Clusters:
        device, wide = points.device, torch.float64
        squares = torch.zeros(1, dtype=wide, device=device)
        for _, block in points.blocks():
            squares += block.double().square().sum()
        labels = torch.full((points.shape[0],), -1, dtype=torch.int64, device=device)
        sums = torch.zeros(k, points.shape[1], dtype=wide, device=device)
        counts = torch.zeros(k, dtype=wide, device=device)
        return cls(labels, sums, counts, float(over_processes(squares)))

    def step(self, points: DevicePoints, centres: Tensor) -> _Step:
        """Assign all points, give empty clusters a point, and take the means."""
        changed = self.assign(points, centres)
        inertia = self.inertia(centres)
        given = self._refill(points, centres)
        sizes = torch.linalg.vector_norm(self.sums, dim=1) if points.spherical else self.counts
        filled = (self.counts > 0) & (sizes > 0)
        updated = centres.clone()
        updated[filled] = (self.sums[filled] / sizes[filled, None]).float()
        return _Step(updated, inertia, not changed and not given)

    def assign(self, points: DevicePoints, centres: Tensor) -> int:
        """Put every point into the cluster of its nearest centre; return how many were in another one."""
        k, width = self.sums.shape
        # sums, numbers and changes travel together
        gathered = torch.zeros(k * width + k + 1, dtype=torch.float64, device=points.device)
        sums, counts = gathered[: k * width].view(k, width), gathered[k * width : -1]
        for where, block in points.blocks(k):
            found = _scores(block, centres).argmax(dim=1)
            gathered[-1] += (found != self.labels[where]).sum()
            sums.index_add_(0, found, block.double())
            counts += torch.bincount(found, minlength=k)
            self.labels[where] = found
        over_processes(gathered)
        self.sums, self.counts = sums, counts
        return int(gathered[-1])

    def inertia(self, centres: Tensor) -> float:
        """Return the sum of squared distances to the centres."""
        wide = centres.double()
        cross, norms = (self.sums * wide).sum(), (self.counts * wide.square().sum(dim=1)).sum()
        return max(self.squares - 2 * float(cross) + float(norms), 0.0)

    def _refill(self, points: DevicePoints, centres: Tensor) -> int:
        """Give each empty cluster the point farthest from its centre, and return how many got one."""
        empty = (self.counts == 0).nonzero()[:, 0].tolist()
        if not empty:
            return 0
        numbers, donors = self._farthest(points, centres, len(empty))
        taken = points.take(numbers).double()
        for cluster, number, donor, point in zip(empty, numbers.tolist(), donors, taken, strict=False):
            self.sums[donor] -= point
            self.counts[donor] -= 1
            self.sums[cluster], self.counts[cluster] = point, 1
            if points.first <= number < points.first + points.shape[0]:
                self.labels[number - points.first] = cluster
        return len(numbers)

    def _farthest(self, points: DevicePoints, centres: Tensor, wanted: int) -> tuple[Int64, list[int]]:
        """Return numbers and clusters of the points farthest from their centres, those on them left out."""
        everything = torch.zeros(2, points.count, dtype=torch.float64, device=points.device)
        own = everything[:, points.first : points.first + points.shape[0]]
        own[1] = self.labels
        for where, block in points.blocks():
            own[0, where] = (block - centres[self.labels[where]]).square().sum(dim=1).double()
        over_processes(everything)
        order = everything[0].argsort(descending=True, stable=True)[:wanted]
        order = order[everything[0][order] > 0]
        donors: list[int] = everything[1][order].long().tolist()
        return order.cpu().numpy(), donors


def _lloyd(
    points: DevicePoints, centres: Tensor, max_iterations: int, tolerance: float, progress: Progress
) -> _Fit:
    clusters = _Clusters.none(points, len(centres))
    for iteration in range(1, max_iterations + 1):
        found = clusters.step(points, centres)
        if found.settled:
            return _Fit(centres, found.inertia, iteration)
        progress.update(points.count, f"pass {iteration + 1}")
        moved = float((found.updated - centres).double().square().sum())
        centres = found.updated
        if moved <= tolerance * points.variance:
            break
    clusters.assign(points, centres)
    return _Fit(centres, clusters.inertia(centres), iteration)


def _progress(what: str, rows: int) -> Progress:
    """Of several processes the first one tells."""
    quiet = {} if rank() == 0 else {"every_seconds": math.inf, "quick_seconds": math.inf}
    return Progress(what, rows, "rows", **quiet)


def _scores(block: Tensor, centres: Tensor) -> Tensor:
    """Return x.c - |c|^2 / 2 [n, K], largest for the nearest centre."""
    return torch.addmm(-0.5 * centres.square().sum(dim=1), block, centres.T)


def _squares_to(sample: Tensor, norms: Tensor, chosen: Tensor) -> Tensor:
    """Return the squared distances [T, M] of all rows to the chosen ones [T]."""
    distances = norms[chosen, None] + norms - 2 * (sample[chosen] @ sample.T)
    distances[torch.arange(len(chosen)), chosen] = 0
    return distances.clamp_(min=0)


def _distance(block: Tensor, centres: Tensor, spherical: bool) -> Tensor:
    """Return the distance [n] of each row [n, D] to its own centre [n, D]."""
    if spherical:
        return (1 - (block * centres).sum(dim=1)).clamp(min=0)
    lengths: Tensor = torch.linalg.vector_norm(block - centres, dim=1)
    return lengths


def _given(initial: Float32, points: DevicePoints) -> Tensor:
    centres = torch.from_numpy(np.asarray(initial, dtype=np.float32)).to(points.device)
    if centres.shape[1] != points.shape[1]:
        raise UserError(f"initial centres have {centres.shape[1]} columns, the rows {points.shape[1]}")
    return torch.nn.functional.normalize(centres, dim=1) if points.spherical else centres - points.offset
