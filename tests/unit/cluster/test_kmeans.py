"""k-means: equal to scikit-learn from equal starts, deterministic, monotone, and robust at the edges."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score

from clusterprobe.cluster.kmeans import KMeansModel, assign, fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.features.pca import ReducedRows, fit_pca
from clusterprobe.store.rows import ArrayRows


def blobs(count: int = 600, k: int = 6, width: int = 5, seed: int = 0, spread: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((k, width)) * 3
    return centres[generator.integers(k, size=count)] + spread * generator.standard_normal((count, width))


def digits() -> np.ndarray:
    return load_digits().data.astype(np.float32)


@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_equals_scikit_learn_from_the_same_start(memory_bytes: int) -> None:
    values = digits() + 100 + np.random.default_rng(0).random((1797, 64), np.float32)  # without ties
    start = values[::180][:10]
    ours = fit_kmeans(ArrayRows(values), 10, 0, initial=start, tolerance=0, memory_bytes=memory_bytes)
    theirs = KMeans(10, init=start, n_init=1, tol=0, algorithm="lloyd").fit(values.astype(np.float64))
    np.testing.assert_allclose(ours.centres, theirs.cluster_centers_, rtol=1e-5)
    np.testing.assert_allclose(ours.inertia, theirs.inertia_, rtol=1e-6)
    np.testing.assert_array_equal(assign(ArrayRows(values), ours).cluster, theirs.labels_)


def test_seeding_is_as_good_as_that_of_scikit_learn() -> None:
    values = digits()
    ours = np.mean([fit_kmeans(ArrayRows(values), 10, seed).inertia for seed in range(4)])
    theirs = np.mean([KMeans(10, n_init=1, random_state=seed).fit(values).inertia_ for seed in range(4)])
    assert ours < theirs * 1.01


def test_separate_blobs_are_found_from_every_seed() -> None:
    values = blobs(spread=0.05)
    generator = np.random.default_rng(0)
    truth = generator.standard_normal((6, 5)) * 3
    for seed in range(5):
        centres = fit_kmeans(ArrayRows(values), 6, seed).centres
        nearest = np.linalg.norm(centres[:, None] - truth, axis=2).min(axis=0)
        assert nearest.max() < 0.05


@pytest.mark.parametrize("algorithm", ["lloyd", "minibatch"])
@pytest.mark.parametrize("spherical", [False, True])
def test_equal_seeds_give_equal_bytes(algorithm: str, spherical: bool) -> None:
    rows = ArrayRows(blobs())
    options = {"algorithm": algorithm, "spherical": spherical, "restarts": 2, "epochs": 3, "batch_size": 64}
    first, second, other = (fit_kmeans(rows, 6, seed, **options) for seed in (7, 7, 8))
    assert first.centres.tobytes() == second.centres.tobytes()
    assert first.centres.tobytes() != other.centres.tobytes()
    assert first.centres.dtype == np.float32


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 12), st.booleans())
def test_inertia_never_grows(seed: int, k: int, spherical: bool) -> None:
    """From a bad start (the first rows), empty clusters included."""
    rows = ArrayRows(np.repeat(blobs(60, 5, 3, seed, 1.0), 2, axis=0) + 5)
    start = rows.values[:k]
    inertias = [
        fit_kmeans(
            rows, k, 0, initial=start, spherical=spherical, max_iterations=iterations, tolerance=0
        ).inertia
        for iterations in range(1, 12)
    ]
    for earlier, later in pairwise(inertias):
        assert later <= earlier * (1 + 1e-6) + 1e-9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000), st.floats(0.1, 10), st.floats(-20, 20))
def test_moving_and_scaling_and_rotating_change_no_cluster(seed: int, scale: float, shift: float) -> None:
    values = blobs(120, 4, 4, seed)
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((4, 4)))[0]
    plain = fit_kmeans(ArrayRows(values), 4, seed, initial=values[:4])
    changed = (values @ rotation) * scale + shift
    other = fit_kmeans(ArrayRows(changed), 4, seed, initial=changed[:4])
    np.testing.assert_array_equal(
        assign(ArrayRows(values), plain).cluster, assign(ArrayRows(changed), other).cluster
    )
    np.testing.assert_allclose(other.inertia, plain.inertia * scale**2, rtol=1e-3)


@pytest.mark.parametrize("spherical", [False, True])
def test_a_trace_holds_the_centres_of_shorter_fits(spherical: bool) -> None:
    """One fit passes through what fits of fewer passes end with, and stays where it settles."""
    rows = ArrayRows(blobs(spread=1.0) + 5, space="encoder")
    wanted = (1, 2, 5)
    for algorithm, passes in (("lloyd", "max_iterations"), ("minibatch", "epochs")):
        options = {"algorithm": algorithm, "batch_size": 128, "spherical": spherical, "tolerance": 0}
        fit = partial(fit_kmeans, rows, 6, 3, **options)
        traced = fit(trace=wanted, **{passes: 6})
        assert tuple(traced.trace) == wanted
        for number in wanted:
            alone = fit(**{passes: number})
            np.testing.assert_array_equal(traced.trace[number], alone.centres)
        untraced = fit(**{passes: 6})
        np.testing.assert_array_equal(traced.centres, untraced.centres)
        again = KMeansModel.from_arrays(traced.to_arrays())
        np.testing.assert_array_equal(again.trace[2], traced.trace[2])


def test_a_trace_is_that_of_the_best_start_and_ends_where_the_fit_settles() -> None:
    rows = ArrayRows(blobs(), space="encoder")
    found = fit_kmeans(rows, 6, 0, restarts=5, trace=(1, 300))
    assert found.iterations < 300
    np.testing.assert_array_equal(found.trace[300], found.centres)
    near = np.linalg.norm(found.trace[1][:, None] - found.centres, axis=2).argmin(axis=1)
    assert len(set(near)) == 6


def test_full_rank_pca_changes_no_cluster() -> None:
    rows = ArrayRows(blobs(), space="encoder")
    rotated = ReducedRows(rows, fit_pca(rows), None, False, False)
    start = np.arange(6)
    plain = fit_kmeans(rows, 6, 0, initial=rows.take(start))
    turned = fit_kmeans(rotated, 6, 0, initial=rotated.take(start))
    np.testing.assert_array_equal(assign(rows, plain).cluster, assign(rotated, turned).cluster)


def test_rows_that_were_not_projected_are_refused() -> None:
    """A model that was fitted behind a PCA says nothing about raw features."""
    rows = ArrayRows(blobs(), space="encoder")
    transfer = ArrayRows(blobs(seed=1), space="encoder")
    pca = fit_pca(rows)
    model = fit_kmeans(ReducedRows(rows, pca, None, False, False), 6, 0)
    assert len(assign(ReducedRows(transfer, pca, None, False, False), model).cluster) == 600
    with pytest.raises(UserError, match="reducer of the fit"):
        assign(transfer, model)
    with pytest.raises(UserError, match="4 columns"):
        assign(ArrayRows(np.ones((3, 4)), space=model.space), model)


@pytest.mark.parametrize("spherical", [False, True])
def test_more_clusters_than_distinct_rows(spherical: bool) -> None:
    """Ten copies of three rows, eight clusters: it ends, without inertia, and three clusters are used."""
    rows = ArrayRows(np.tile([[0.1, 1, 2], [3, 0.7, 0], [5, 5, 0.3]], (10, 1)))
    model = fit_kmeans(rows, 8, 0, spherical=spherical)
    assert np.isfinite(model.centres).all()
    assert model.inertia < 1e-5
    assert len(np.unique(assign(rows, model).cluster)) == 3


def test_equal_rows() -> None:
    rows = ArrayRows(np.full((20, 4), 0.1))
    model = fit_kmeans(rows, 3, 0)
    found = assign(rows, model)
    assert (model.inertia, set(found.cluster.tolist()), found.confidence.max()) == (0, {0}, 0)
    assert model.iterations == 1


def test_empty_clusters_restart_at_the_farthest_rows() -> None:
    """Two starts far away from all rows stay empty at first; the outliers are where they must land."""
    values = np.concatenate([np.random.default_rng(0).normal(0, 0.1, (50, 2)), [[9, 0], [0, 9]]])
    start = np.array([[0, 0], [500, 500], [-500, 500]])
    model = fit_kmeans(ArrayRows(values), 3, 0, initial=start)
    assert sorted(np.round(model.centres).tolist()) == [[0, 0], [0, 9], [9, 0]]
    assert len(np.unique(assign(ArrayRows(values), model).cluster)) == 3


def test_a_point_that_restarts_a_cluster_leaves_its_old_one() -> None:
    values, start = np.array([[0, 0], [2, 0], [10, 0]]), np.array([[1, 0], [500, 500]])
    model = fit_kmeans(ArrayRows(values), 2, 0, initial=start, max_iterations=1)
    np.testing.assert_allclose(model.centres, [[1, 0], [10, 0]], atol=1e-6)


def test_restarts_go_on_while_they_help() -> None:
    """At first the farthest point is alone in its cluster; only then is it the turn of the pair."""
    values = np.array([[100, 0], [200, 0], [300, 0], [0, 0], [0, 1]])
    start = np.array([[110, 0], [210, 0], [310, 0], [0, 0.5], [-9000, 0]])
    assert fit_kmeans(ArrayRows(values), 5, 0, initial=start, tolerance=0).inertia < 1e-6


def test_one_cluster_is_the_mean() -> None:
    values = blobs()
    model = fit_kmeans(ArrayRows(values), 1, 0)
    found = assign(ArrayRows(values), model)
    np.testing.assert_allclose(model.centres[0], values.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(model.inertia, len(values) * values.var(axis=0).sum(), rtol=1e-5)
    assert (set(found.second.tolist()), set(found.confidence.tolist())) == ({-1}, {1.0})


def test_as_many_clusters_as_rows() -> None:
    values = blobs(30)
    model = fit_kmeans(ArrayRows(values), 30, 0)
    assert model.inertia < 1e-8
    assert sorted(assign(ArrayRows(values), model).cluster.tolist()) == list(range(30))


def test_restarts_keep_the_best() -> None:
    rows = ArrayRows(digits())
    first, best = (fit_kmeans(rows, 10, 0, restarts=restarts) for restarts in (1, 6))
    assert best.inertia < first.inertia


def test_distances_survive_a_mean_far_from_zero() -> None:
    """float32 would lose all digits of |x|^2 - 2 x.c + |c|^2 at a mean 10,000 times the spread."""
    values = (blobs(spread=0.05) + 3e4).astype(np.float32)
    model = fit_kmeans(ArrayRows(values), 6, 0)
    exact = np.linalg.norm(values[:, None].astype(np.float64) - model.centres, axis=2)
    found = assign(ArrayRows(values), model)
    np.testing.assert_array_equal(found.cluster, exact.argmin(axis=1))
    assert found.distance.max() < 1


def test_assignment_is_that_of_all_distances() -> None:
    rows = ArrayRows(blobs(spread=2.0))
    model = fit_kmeans(rows, 6, 0)
    exact = np.linalg.norm(rows.values[:, None].astype(np.float64) - model.centres, axis=2)
    order = exact.argsort(axis=1)
    nearest, second = (np.take_along_axis(exact, order[:, [rank]], axis=1)[:, 0] for rank in (0, 1))
    found = assign(rows, model)
    np.testing.assert_array_equal(found.cluster, order[:, 0])
    np.testing.assert_array_equal(found.second, order[:, 1])
    np.testing.assert_allclose(found.distance, nearest, rtol=1e-4)
    np.testing.assert_allclose(found.confidence, 1 - nearest / second, atol=1e-4)
    np.testing.assert_allclose(model.inertia, (nearest**2).sum(), rtol=1e-5)
    assert [found.cluster.dtype, found.second.dtype] == [np.int32, np.int32]
    assert [found.distance.dtype, found.confidence.dtype] == [np.float32, np.float32]


def test_spherical_looks_at_directions_alone() -> None:
    values = blobs()
    lengths = np.random.default_rng(1).uniform(0.1, 10, (len(values), 1))
    model = fit_kmeans(ArrayRows(values), 6, 0, spherical=True)
    scaled = assign(ArrayRows(values * lengths), model)
    plain = assign(ArrayRows(values), model)
    np.testing.assert_array_equal(plain.cluster, scaled.cluster)
    np.testing.assert_allclose(np.linalg.norm(model.centres, axis=1), 1, rtol=1e-5)
    cosines = (values / np.linalg.norm(values, axis=1, keepdims=True)) @ model.centres.T
    np.testing.assert_allclose(plain.distance, 1 - cosines.max(axis=1), atol=1e-5)
    np.testing.assert_allclose(model.inertia, (1 - cosines.max(axis=1)).sum(), rtol=1e-3)


def test_streaming_finds_the_clusters_of_memory() -> None:
    rows = ArrayRows(digits())
    in_memory, streamed = (fit_kmeans(rows, 10, 3, memory_bytes=size) for size in (2**30, 0))
    labels = [assign(rows, model).cluster for model in (in_memory, streamed)]
    assert adjusted_rand_score(*labels) > 0.999


@pytest.mark.parametrize("k", [0, -3, 31])
def test_impossible_k_is_refused(k: int) -> None:
    with pytest.raises(UserError, match=f"k = {k} on 30 rows of 'here'"):
        fit_kmeans(ArrayRows(blobs(30), space="here"), k, 0)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(bad: float) -> None:
    values = blobs(30)
    model = fit_kmeans(ArrayRows(values), 2, 0)
    values[3, 2] = bad
    for attempt in (lambda rows: fit_kmeans(rows, 2, 0), lambda rows: assign(rows, model)):
        with pytest.raises(UserError, match="NaN or infinite"):
            attempt(ArrayRows(values))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"algorithm": "elkan"}, "choose lloyd or minibatch"),
        ({"restarts": 0}, "restarts is 0"),
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"algorithm": "minibatch", "batch_size": 3}, "batch_size 3 is below k = 4"),
        ({"initial": np.zeros((2, 5), np.float32)}, "initial centres"),
    ],
)
def test_bad_options_are_refused(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        fit_kmeans(ArrayRows(blobs(30)), 4, 0, **options)


def test_models_survive_as_arrays() -> None:
    model = fit_kmeans(ArrayRows(blobs(), space="s|pca5"), 6, 0, spherical=True)
    again = KMeansModel.from_arrays(model.to_arrays())
    np.testing.assert_array_equal(again.centres, model.centres)
    assert (again.inertia, again.iterations, again.space, again.spherical) == (
        model.inertia,
        model.iterations,
        "s|pca5",
        True,
    )
