"""Which way of comparing is taken, and that it changes no cluster."""

from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster import comparison, initialisation, screened_centres
from clusterprobe.cluster.comparison import comparison_with_points, comparison_with_rows
from clusterprobe.cluster.kmeans import KMeansModel, assign, fit_kmeans
from clusterprobe.cluster.nearest import Centres
from clusterprobe.cluster.points import Points
from clusterprobe.cluster.screened_centres import ScreenedCentres
from clusterprobe.features.scaling import unit_length
from clusterprobe.store.rows import ArrayRows, Float32

K, WIDTH = 30, 64


def values(count: int = 4000, noise: float = 0.1) -> Float32:
    """Groups that lie along eight axes, with little noise along all others."""
    generator = np.random.default_rng(0)
    axes = np.linalg.qr(generator.standard_normal((WIDTH, 8)))[0]
    centres = 3 * generator.standard_normal((K, 8))
    inner = centres[generator.integers(K, size=count)] + generator.standard_normal((count, 8))
    rows = inner @ axes.T + noise * generator.standard_normal((count, WIDTH)) + 5
    return rows.astype(np.float32)


def points(rows: Float32, memory_bytes: int = 2**30) -> Points:
    return Points.of(ArrayRows(rows), spherical=False, memory_bytes=memory_bytes)


def means(rows: Float32) -> Float32:
    return fit_kmeans(ArrayRows(rows), K, 0, max_iterations=3).centres


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few clusters and columns count as many."""
    for name in ("_LEAST_WIDTH", "_LEAST_CLUSTERS", "_LEAST_ROWS", "MANY_CLUSTERS"):
        monkeypatch.setattr(comparison, name, 10)
    monkeypatch.setattr(screened_centres, "_PRODUCT_OF_PAIR", 1)


@pytest.mark.usefixtures("small")
def test_means_are_screened_and_rows_are_not() -> None:
    rows = values() - 5
    assert isinstance(comparison_with_rows(4000, rows[:200], means(rows)), ScreenedCentres)
    scattered = np.random.default_rng(0).standard_normal((500, WIDTH)).astype(np.float32)
    assert not isinstance(comparison_with_rows(4000, scattered, scattered[:K]), ScreenedCentres)
    assert not isinstance(comparison_with_rows(9, rows[:200], means(rows)), ScreenedCentres), "few rows"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("memory_bytes", [0, 2**30])
def test_points_are_compared_along_their_leading_axes(memory_bytes: int) -> None:
    rows = values()
    given = points(rows, memory_bytes)
    centres = means(rows) - given.offset
    compared = comparison_with_points(given, centres)
    assert isinstance(compared, ScreenedCentres)
    for where in (slice(0, 4000), slice(100, 300)):
        block = given.take(np.arange(where.start, where.stop))
        np.testing.assert_array_equal(compared.nearest(where, block), Centres(centres).nearest(block))
    some = np.array([3, 500, 3999])
    two = compared.nearest_two(some, given.take(some))
    np.testing.assert_array_equal(two, Centres(centres).nearest_two(given.take(some)))
    sample = given.sample(np.arange(2000))
    assert not isinstance(comparison_with_points(sample, centres), ScreenedCentres)


def test_few_columns_and_clusters_are_compared_in_full() -> None:
    rows = values()
    given = points(rows)
    assert not isinstance(comparison_with_points(given, means(rows) - given.offset), ScreenedCentres)
    assert "leading" not in vars(given), "axes that nobody needs are not looked for"


def test_fits_and_assignments_are_the_same(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ArrayRows(values(noise=0.3), "encoder")
    fits = {"memory_bytes": 0, "tolerance": 0.0, "initial": rows.values[:K]}
    looked: list[int] = []
    real = ScreenedCentres._possible

    def watched(self: ScreenedCentres, *given: object) -> object:
        looked.append(1)
        return real(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(ScreenedCentres, "_possible", watched)
    screened = fit_kmeans(rows, K, 0, **fits)  # type: ignore[arg-type]
    assigned = assign(rows, screened)
    assert len(looked) > 10
    monkeypatch.setattr(comparison, "_LEAST_WIDTH", WIDTH + 1)
    plain = fit_kmeans(rows, K, 0, **fits)  # type: ignore[arg-type]
    expected = assign(rows, plain)
    assert screened.iterations == plain.iterations
    np.testing.assert_allclose(screened.centres, plain.centres, atol=1e-4)
    np.testing.assert_array_equal(assigned.cluster, expected.cluster)
    np.testing.assert_array_equal(assigned.second, expected.second)
    np.testing.assert_allclose(assigned.confidence, expected.confidence, atol=1e-4)


def test_spherical_rows_too(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ArrayRows(values(), "encoder")
    model = KMeansModel(unit_length(rows.values[:K]), 0, 1, "encoder", spherical=True)
    screened = assign(rows, model)
    monkeypatch.setattr(comparison, "_LEAST_WIDTH", WIDTH + 1)
    plain = assign(rows, model)
    assert np.mean(screened.cluster == plain.cluster) > 0.999
    np.testing.assert_allclose(screened.distance, plain.distance, atol=1e-5)


@pytest.mark.parametrize("spherical", [False, True])
def test_first_passes_along_leading_axes_end_no_worse(
    spherical: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole fits of many clusters: with and without leading axes, in memory and not."""
    for name in ("_ROWS_PER_CLUSTER", "MANY_CLUSTERS"):
        monkeypatch.setattr(initialisation, name, 10)
    monkeypatch.setattr(initialisation, "_ROWS_AT_LEAST", 300)
    rows = ArrayRows(values(noise=0.3))
    axes = points(rows.values).leading
    assert axes is not None
    assert axes.points.width == 16
    found = [
        fit_kmeans(rows, K, 0, spherical=spherical, memory_bytes=memory_bytes).inertia
        for memory_bytes in (2**30, 0)
    ]
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    told: list[tuple[int, str]] = []
    initialisation.seed_centres(
        points(rows.values, 0), K, np.random.default_rng(0), lambda count, note: told.append((count, note))
    )
    assert {count for count, _ in told} == {0}, "what comes before a fit is no part of its passes"
    assert any("near centres" in note for _, note in told)
    with_axes = mean_inertia(rows, spherical)
    monkeypatch.setattr(Points, "leading", None)
    assert with_axes < 1.02 * mean_inertia(rows, spherical)


def mean_inertia(rows: ArrayRows, spherical: bool) -> float:
    return float(np.mean([fit_kmeans(rows, 2 * K, seed, spherical=spherical).inertia for seed in range(6)]))
