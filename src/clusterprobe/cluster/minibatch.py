"""Mini-batch k-means: cheap steps over a stream of small batches."""

from __future__ import annotations

import numpy as np

from clusterprobe.cluster.lloyd import Fit
from clusterprobe.cluster.nearest import Centres, Float64, Int32, cluster_sums
from clusterprobe.cluster.partition import Partition, Report, Watch, assign_all, silent, unwatched
from clusterprobe.cluster.plus_plus import plus_plus
from clusterprobe.cluster.points import Points
from clusterprobe.store.rows import Float32
from clusterprobe.store.threads import in_order

_ROWS_PER_THREAD = 512


def default_batch_size(k: int) -> int:
    """Return max(2048, the power of two at or above K): the batch size of arXiv 2008.10312."""
    return max(2048, 1 << (k - 1).bit_length())


def minibatch(
    points: Points,
    k: int,
    generator: np.random.Generator,
    *,
    epochs: int,
    batch_size: int,
    reassignment_ratio: float,
    initial: Float32 | None = None,
    report: Report = silent,
    watch: Watch = unwatched,
) -> Fit:
    """Move centres [K, D] along with `epochs` passes over the points, reshuffled for each; `watch` sees them
    after every epoch.

    The first mini-batch alone chooses the first centres by k-means++; each centre then moves by 1 / (rows it
    has seen). Sculley, Web-scale k-means clustering, WWW 2010, algorithm 1; with reassignment
    as arXiv 2008.10312 ran it.
    """
    stream: _Stream | None = None
    for epoch in range(1, epochs + 1):
        order = generator.permutation(points.count)
        for first in range(0, points.count, batch_size):
            batch = points.take(np.sort(order[first : first + batch_size]))
            if stream is None:
                start = plus_plus(batch, k, generator) if initial is None else initial
                stream = _Stream(start, points.spherical, reassignment_ratio)
            stream.step(batch, generator)
            report(len(batch), f"epoch {epoch}")
        if stream is not None:
            watch(epoch, stream.centres.astype(np.float32))
    assert stream is not None, "there is at least one epoch and one point"
    centres = stream.centres.astype(np.float32)
    final = Partition.none(points.count, centres.shape)
    assign_all(points, centres, final)
    return Fit(centres, final.inertia(centres), epochs)


def _nearest(batch: Float32, centres: Float32) -> Int32:
    """Return the index [B] of the nearest centre, found by several threads."""
    table = Centres(centres)
    parts = np.array_split(batch, max(len(batch) // _ROWS_PER_THREAD, 1))
    return np.concatenate(list(in_order(table.nearest, parts)))


class _Stream:
    """Centres that follow a stream of batches."""

    def __init__(self, centres: Float32, spherical: bool, reassignment_ratio: float) -> None:
        self.centres: Float64 = centres.astype(np.float64)
        self._spherical, self._ratio = spherical, reassignment_ratio
        self._counts = np.zeros(len(centres))
        self._seen_since_reassignment = 0

    def step(self, batch: Float32, generator: np.random.Generator) -> None:
        """Move the centres towards the rows [B, D] of a batch."""
        reassign = self._reassignment_is_due(len(batch))
        labels = _nearest(batch, self.centres.astype(np.float32))
        sums, counts = cluster_sums(batch, labels, len(self.centres))
        hit = counts > 0
        rates = 1 / (self._counts[hit] + counts[hit])[:, None]
        self.centres[hit] = (self.centres[hit] * self._counts[hit, None] + sums[hit]) * rates
        self._counts += counts
        if self._spherical:
            lengths = np.linalg.norm(self.centres, axis=1, keepdims=True)
            self.centres /= np.where(lengths > 0, lengths, 1)
        if reassign:
            self._reassign(batch, generator)

    def _reassignment_is_due(self, rows: int) -> bool:
        """Say whether low counts are looked at: every 10 K rows, and always while a cluster is empty."""
        self._seen_since_reassignment += rows
        due = bool((self._counts == 0).any()) or self._seen_since_reassignment >= 10 * len(self.centres)
        if due:
            self._seen_since_reassignment = 0
        return due

    def _reassign(self, batch: Float32, generator: np.random.Generator) -> None:
        """Move centres with few rows (ratio x the most) to random rows of the batch, at most half of it."""
        low = self._counts < self._ratio * self._counts.max()
        half = len(batch) // 2
        if low.sum() > half:
            low[np.argsort(self._counts, kind="stable")[half:]] = False
        if low.any():
            self.centres[low] = batch[generator.choice(len(batch), int(low.sum()), replace=False)]
            self._counts[low] = self._counts[~low].min()
