"""k-means to the inertia that mini-batch k-means ends with, as the reference protocol runs it.

From one start: the peer's 5,880 steps at standard size are the longest part of `make bench`.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from benchmarks.harness import Outcome, Question, Size, timed
from benchmarks.kmeans_runs import data, inertia, seconds_to
from clusterprobe.cluster.minibatch import default_batch_size
from clusterprobe.store.rows import Float32

QUESTION = Question(
    "kmeans-minibatch",
    "k-means 200,000 x 256, K = 1000, time to the peer's final inertia; 1 seed",
    "scikit-learn's MiniBatchKMeans, 60 epochs of partial_fit",
    30,
    quick="k-means 50,000 x 256, K = 250, time to the peer's final inertia (10 epochs); 1 seed",
)


def measure(size: Size) -> Outcome:
    given = data(size)
    epochs = size.choose(10, 60)
    theirs, peer = timed(lambda: _minibatch(given.train, given.k, epochs))
    wanted = inertia(given.train, peer)
    ours, passes = seconds_to(given.train, given.k, 0, wanted)
    return Outcome(
        theirs / ours,
        {
            "ours to the final inertia of MiniBatchKMeans, seconds": ours,
            f"MiniBatchKMeans, {epochs} epochs, seconds": theirs,
            "passes over all rows until then": passes,
            "its final inertia per row": wanted / len(given.train),
        },
    )


def _minibatch(values: Float32, k: int, epochs: int) -> Float32:
    """Reshuffle all rows for every epoch, as arXiv 2008.10312 does."""
    model = MiniBatchKMeans(k, batch_size=default_batch_size(k), random_state=0)
    generator = np.random.default_rng(0)
    for _ in range(epochs):
        order = generator.permutation(len(values))
        for first in range(0, len(values), default_batch_size(k)):
            model.partial_fit(values[order[first : first + default_batch_size(k)]])
    centres: Float32 = model.cluster_centers_
    return centres
