"""k-means to the inertia that faiss ends with, and how good both are in the end."""

from __future__ import annotations

import faiss

from benchmarks.harness import THREADS, Outcome, Question, Size, timed
from benchmarks.kmeans_runs import converged, data, inertia, seconds_to
from clusterprobe.store.rows import Float32

QUESTION = Question(
    "kmeans-faiss",
    "k-means 200,000 x 256, K = 1000, time to the peer's final inertia; 3 seeds",
    "faiss.Kmeans, 25 iterations, no sub-sampling",
    3,
    quick="k-means 50,000 x 256, K = 250, time to the peer's final inertia; 1 seed",
)
_ITERATIONS = 25


def measure(size: Size) -> Outcome:
    faiss.omp_set_num_threads(THREADS)
    given = data(size)
    seeds = size.choose((0,), (0, 1, 2))
    ours, theirs, passes, whole, final, held_out = [], [], [], [], [], []
    for seed in seeds:
        seconds, peer = timed(lambda seed=seed: _faiss(given.train, given.k, seed))  # type: ignore[misc]
        wanted = inertia(given.train, peer)
        mine, number = seconds_to(given.train, given.k, seed, wanted)
        centres, last, iterations = converged(given.train, given.k, seed)
        ours.append(mine)
        theirs.append(seconds)
        passes.append(number)
        whole.append(iterations)
        final.append(last / wanted)
        held_out.append(inertia(given.held_out, centres) / inertia(given.held_out, peer))
    return Outcome(
        sum(theirs) / sum(ours),
        {
            "ours to faiss's final inertia, seconds": ours,
            "faiss, seconds": theirs,
            "passes over all rows until then": passes,
            "full passes of a whole fit": whole,
            "our final inertia over that of faiss": final,
            "the same on 20,000 held-out rows": held_out,
        },
        holds=max(final + held_out) <= 1,
    )


def _faiss(values: Float32, k: int, seed: int) -> Float32:
    run = faiss.Kmeans(values.shape[1], k, niter=_ITERATIONS, seed=seed, max_points_per_centroid=len(values))
    run.train(values)
    centres: Float32 | None = run.centroids
    assert centres is not None, "a fit has centroids"
    return centres
