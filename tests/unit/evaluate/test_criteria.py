"""Label-free criteria against references, on clusters that are right, wrong and none."""

from __future__ import annotations

import inspect
import typing

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate import criteria, scoring
from clusterprobe.evaluate.criteria import (
    Found,
    Sample,
    draw_sample,
    generalisation,
    inertia_gap,
    principal,
    sampled,
    silhouette,
    stability,
    view_agreement,
)
from clusterprobe.runs.assignments import SeedClusters
from clusterprobe.store.rows import ArrayRows

K = 4


def _points(spread: float, seed: int = 0, count: int = 200) -> tuple[npt.NDArray[np.float32], Found]:
    generator = np.random.default_rng(seed)
    group = generator.integers(0, K, count)
    means = 4 * np.random.default_rng(5).normal(size=(K, 6))
    return (means[group] + spread * generator.normal(size=(count, 6))).astype(np.float32), Found(group)


def _sample(spread: float) -> Sample:
    points, group = _points(spread)
    return Sample(points, group, K)


def _scrambled(sample: Sample) -> Sample:
    order = np.random.default_rng(1).permutation(len(sample.clusters))
    return Sample(sample.points, Found(sample.clusters[order]), sample.k)


def _collapsed(sample: Sample) -> Sample:
    return Sample(sample.points, Found(np.zeros(len(sample.points), np.int64)), sample.k)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 1000), st.integers(2, 12), st.integers(3, 60))
def test_silhouette_is_that_of_scikit_learn(seed: int, k: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    points, clusters = generator.normal(size=(count, 3)).astype(np.float32), generator.integers(0, k, count)
    found = silhouette(Sample(points, Found(clusters), k))
    if 2 <= len(set(clusters)) < count:
        assert found == pytest.approx(silhouette_score(points.astype(np.float64), clusters), abs=1e-5)


def test_silhouette_reads_distances_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = _sample(1.0)
    whole = silhouette(sample)
    monkeypatch.setattr(criteria, "_PAIRS", 700)
    assert silhouette(sample) == pytest.approx(whole)


def test_principal_axes_keep_distances_and_drop_what_does_not_vary() -> None:
    points, _ = _points(1.0)
    wide = np.concatenate([points, points[:, :2], np.full((len(points), 3), 9.0)], axis=1).astype(np.float32)
    axes = principal(wide, 50)
    assert axes.shape == (200, 6)
    distances = [np.linalg.norm(values[:, None] - values, axis=2) for values in (wide, axes)]
    np.testing.assert_allclose(distances[1], distances[0], atol=1e-3)
    expected = PCA(2).fit_transform(points.astype(np.float64))
    np.testing.assert_allclose(np.abs(principal(points, 2)), np.abs(expected), atol=1e-3)


def test_inertia_gap_is_the_gap_statistic_written_out() -> None:
    sample = _sample(0.5)
    references = 3
    rotated = PCA().fit_transform(sample.points.astype(np.float64))
    generator, logs = np.random.default_rng(0), []
    for _ in range(40):
        cloud = generator.uniform(rotated.min(axis=0), rotated.max(axis=0), rotated.shape)
        logs.append(np.log(KMeans(K, n_init=1, random_state=0).fit(cloud).inertia_))
    own = sum(
        ((part - part.mean(axis=0)) ** 2).sum()
        for part in (rotated[sample.clusters == cluster] for cluster in range(K))
    )
    assert inertia_gap(sample, references, 0) == pytest.approx(np.mean(logs) - np.log(own), abs=0.1)


def test_stability_is_the_mean_adjusted_rand_index_with_the_others() -> None:
    generator = np.random.default_rng(0)
    found = [Found(generator.integers(0, K, 50)) for _ in range(3)]
    found.append(Found((found[0] + 1) % K))
    expected = [
        np.mean([adjusted_rand_score(one, other) for other in found if other is not one]) for one in found
    ]
    assert stability(found, K) == pytest.approx(expected)
    assert stability(found[:1], K) == []
    assert stability([found[0], found[3]], K) == pytest.approx([1.0, 1.0])


def test_generalisation_is_high_for_clusters_that_a_hyperplane_separates() -> None:
    right = generalisation(_sample(0.5), 5, 0)
    wrong = generalisation(_scrambled(_sample(0.5)), 5, 0)
    assert right > 0.98
    assert abs(wrong) < 0.2
    assert generalisation(_sample(0.5), 5, 0) == right


@pytest.mark.parametrize(
    "criterion", [silhouette, lambda s: inertia_gap(s, 2, 0), lambda s: generalisation(s, 3, 0)]
)
def test_tight_clusters_beat_loose_ones_and_these_beat_scrambled_ones(criterion: typing.Any) -> None:
    tight, loose = _sample(0.3), _sample(3.0)
    values = [criterion(sample) for sample in (tight, loose, _scrambled(loose))]
    assert values[0] > values[1] > values[2]


def test_a_clustering_that_says_nothing_is_never_chosen() -> None:
    collapsed = _collapsed(_sample(1.0))
    assert silhouette(collapsed) == 0
    assert generalisation(collapsed, 5, 0) == 0
    assert stability([collapsed.clusters, collapsed.clusters], K) == [0.0, 0.0]
    assert inertia_gap(collapsed, 2, 0) < 0


def test_points_that_coincide_have_finite_criteria() -> None:
    points = np.ones((20, 3), np.float32)
    sample = Sample(points, Found(np.arange(20) % 2), 2)
    values = [silhouette(sample), inertia_gap(sample, 2, 0), generalisation(sample, 2, 0)]
    assert np.isfinite(values).all()


def test_view_agreement_is_the_product_of_its_factors_by_hand() -> None:
    points, _ = _points(0.5)
    other = (points + 0.8 * np.random.default_rng(3).normal(size=points.shape)).astype(np.float32)
    found = view_agreement(points, other, K, 0)
    unit = [values / np.linalg.norm(values, axis=1, keepdims=True) for values in (points, other)]
    cosines = unit[0].astype(np.float64) @ unit[1].astype(np.float64).T
    own = np.arange(len(points))
    retrieval = ((cosines.argmax(axis=1) == own).mean() + (cosines.argmax(axis=0) == own).mean()) / 2
    assert found["view_retrieval"] == pytest.approx(retrieval)
    assert 0 < retrieval < 1
    labels = [KMeans(K, n_init=20, random_state=0).fit_predict(values) for values in unit]
    nmi = normalized_mutual_info_score(*labels, average_method="geometric")
    assert found["view_nmi"] == pytest.approx(nmi, abs=0.02)
    assert found["view_agreement"] == found["view_nmi"] * found["view_retrieval"]


def test_equal_views_agree_and_unrelated_ones_do_not() -> None:
    points, _ = _points(0.3)
    assert view_agreement(points, points, K, 0)["view_agreement"] == pytest.approx(1.0)
    noise = np.random.default_rng(9).normal(size=points.shape).astype(np.float32)
    assert view_agreement(points, noise, K, 0)["view_agreement"] < 0.01


def test_images_and_clusters_must_be_of_the_same_number() -> None:
    ids = tuple("abc")
    clusters, scores = np.zeros(3, np.int32), np.ones(3, np.float32)
    block = SeedClusters("d", "train", None, 0, ids, clusters, scores, scores, None)
    chosen = sampled(3, 2, 0)
    assert draw_sample(ArrayRows(np.eye(3)), block, 1, chosen).points.shape == (2, 3)
    with pytest.raises(UserError, match="run again"):
        draw_sample(ArrayRows(np.eye(4)), block, 1, chosen)


def test_a_sample_is_seeded_sorted_and_without_repetition() -> None:
    rows = sampled(1000, 50, 0)
    assert np.array_equal(rows, np.unique(rows))
    assert len(rows) == 50
    assert np.array_equal(rows, sampled(1000, 50, 0))
    assert np.array_equal(sampled(10, 50, 0), np.arange(10))


def test_no_criterion_takes_or_opens_labels() -> None:
    """Their parameters are features, clusters of a type of their own, and numbers; no manifest comes in."""
    allowed = {"Float32", "Sample", "Sequence[Found]", "int", "Rows", "SeedClusters", "Int64"}
    for function in (silhouette, inertia_gap, stability, generalisation, view_agreement, draw_sample):
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.annotation in allowed, f"{function.__name__}({parameter})"
    assert "Int64" not in {p.annotation for p in inspect.signature(stability).parameters.values()}
    for module in (criteria, scoring):
        assert not [name for name in vars(module) if "manifest" in name.lower() or "label" in name.lower()]
