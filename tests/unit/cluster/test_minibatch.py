"""Mini-batch k-means: the steps of scikit-learn's partial_fit, with our own stream of batches."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.minibatch import _Stream, default_batch_size
from clusterprobe.store.rows import ArrayRows


def batches(seed: int = 0, count: int = 8, rows: int = 64) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((5, 3)) * 4
    return [
        (centres[generator.integers(5, size=rows)] + generator.standard_normal((rows, 3))).astype(np.float32)
        for _ in range(count)
    ]


@pytest.mark.parametrize(
    ("k", "size"), [(1, 2048), (1000, 2048), (2048, 2048), (2500, 4096), (4000, 4096), (5000, 8192)]
)
def test_published_batch_sizes(k: int, size: int) -> None:
    assert default_batch_size(k) == size


def test_steps_equal_those_of_scikit_learn() -> None:
    start = batches()[0][:5]
    theirs = MiniBatchKMeans(5, init=start, n_init=1, reassignment_ratio=0)
    ours = _Stream(start, spherical=False, reassignment_ratio=0)
    for batch in batches():
        theirs.partial_fit(batch)
        ours.step(batch, np.random.default_rng(0))
        np.testing.assert_allclose(ours.centres, theirs.cluster_centers_, rtol=1e-4, atol=1e-5)


def test_rare_centres_are_reassigned_to_rows_of_the_batch() -> None:
    first = batches()[0]
    start = np.concatenate([first[:4], [[900, 900, 900]]]).astype(np.float32)
    stream = _Stream(start, spherical=False, reassignment_ratio=0.01)
    stream.step(first, np.random.default_rng(0))
    assert stream.centres[4].astype(np.float32).tolist() in first.tolist()
    kept = _Stream(start, spherical=False, reassignment_ratio=0)
    kept.step(first, np.random.default_rng(0))
    assert kept.centres[4].tolist() == [900, 900, 900]


def test_at_most_half_a_batch_is_reassigned() -> None:
    batch = batches(rows=6)[0]
    start = np.concatenate([batch[:1], np.full((9, 3), 900)]).astype(np.float32)
    stream = _Stream(start, spherical=False, reassignment_ratio=0.01)
    stream.step(batch, np.random.default_rng(0))
    assert int((stream.centres[:, 0] != 900).sum()) == 1 + 3


def test_comes_close_to_lloyd() -> None:
    rows = ArrayRows(np.concatenate(batches(count=40)))
    lloyd = fit_kmeans(rows, 5, 0, restarts=3)
    small = fit_kmeans(rows, 5, 0, algorithm="minibatch", epochs=10, batch_size=256, restarts=3)
    assert lloyd.inertia <= small.inertia < 1.05 * lloyd.inertia
    distances = assign(rows, small).distance.astype(np.float64)
    np.testing.assert_allclose(small.inertia, (distances**2).sum(), rtol=1e-5)
    assert small.iterations == 10


def test_first_centres_come_from_the_first_batch_alone() -> None:
    """Without further steps than the first, no centre can stand near the far rows of the other batches."""
    generator = np.random.default_rng(0)
    values = generator.standard_normal((400, 2)).astype(np.float32)
    model = fit_kmeans(ArrayRows(values), 4, 0, algorithm="minibatch", epochs=1, batch_size=400)
    assert model.inertia < (values**2).sum() * 0.6
