"""k-means to the inertia that mini-batch k-means ends with, as the reference protocol runs it."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from benchmarks.harness import Outcome, Question, Size, timed
from benchmarks.kmeans_runs import data, inertia, seconds_to
from clusterprobe.cluster.minibatch import default_batch_size
from clusterprobe.store.rows import Float32

QUESTION = Question(
    "kmeans-minibatch",
    "k-means 200,000 x 256, K = 1000, time to the peer's final inertia; 3 seeds",
    "scikit-learn's MiniBatchKMeans, 60 epochs of partial_fit",
    30,
    quick="k-means 50,000 x 256, K = 250, time to the peer's final inertia (10 epochs); 1 seed",
)


def measure(size: Size) -> Outcome:
    given = data(size)
    epochs = size.choose(10, 60)
    ours, theirs, passes, inertias = [], [], [], []
    for seed in size.choose((0,), (0, 1, 2)):
        seconds, peer = timed(lambda seed=seed: _minibatch(given.train, given.k, seed, epochs))  # type: ignore[misc]
        wanted = inertia(given.train, peer)
        mine, number = seconds_to(given.train, given.k, seed, wanted)
        ours.append(mine)
        theirs.append(seconds)
        passes.append(number)
        inertias.append(wanted / len(given.train))
    return Outcome(
        sum(theirs) / sum(ours),
        {
            "ours to the final inertia of MiniBatchKMeans, seconds": ours,
            f"MiniBatchKMeans, {epochs} epochs, seconds": theirs,
            "full passes until then": passes,
            "its final inertia per row": inertias,
        },
    )


def _minibatch(values: Float32, k: int, seed: int, epochs: int) -> Float32:
    """Reshuffle all rows for every epoch, as arXiv 2008.10312 does."""
    model = MiniBatchKMeans(k, batch_size=default_batch_size(k), random_state=seed)
    generator = np.random.default_rng(seed)
    for _ in range(epochs):
        order = generator.permutation(len(values))
        for first in range(0, len(values), default_batch_size(k)):
            model.partial_fit(values[order[first : first + default_batch_size(k)]])
    centres: Float32 = model.cluster_centers_
    return centres
