"""Raw features that stand for reduced ones: the first columns, and the collapse that they bring."""

from __future__ import annotations

import numpy as np
import pytest

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.clustering import compare, describe_clusters
from clusterprobe.evaluate.metrics import contingency
from clusterprobe.features.pca import ReducedRows, fit_pca
from clusterprobe.features.raw_columns import RawColumns
from clusterprobe.store.rows import ArrayRows

CLASSES = 20


def pooled_features(rows: int, seed: int) -> tuple[ArrayRows, np.ndarray]:
    """Features as a network with a last ReLU gives them: no value below zero, means far from zero."""
    means = np.maximum(np.random.default_rng(0).normal(1.5, 0.3, (CLASSES, 64)), 0)
    random = np.random.default_rng(seed)
    labels = random.integers(CLASSES, size=rows)
    values = np.maximum(means[labels] + random.normal(0, 0.15, (rows, 64)), 0)
    return ArrayRows(values, space="space"), labels


def test_rows_of_the_same_images_collapse_without_their_projection() -> None:
    """The defect of Table 3: projected, nearly all is right; raw, few clusters hold nearly all images."""
    train, _ = pooled_features(2000, 1)
    moved, labels = pooled_features(1000, 2)
    pca = fit_pca(train)
    reduced = ReducedRows(train, pca, None, False, False)
    model = fit_kmeans(reduced, CLASSES, 0, restarts=3)
    scores = []
    for rows in (ReducedRows(moved, pca, None, False, False), RawColumns(moved, reduced)):
        clusters = assign(rows, model).cluster
        compared = compare(contingency(clusters, labels, CLASSES, CLASSES))
        scores.append(compared | describe_clusters(clusters, CLASSES))
    clean, published = scores
    assert clean["nmi"] > 0.9
    assert clean["clusters_used"] >= CLASSES - 3
    assert published["nmi"] < 0.3
    assert published["clusters_used"] <= CLASSES / 2
    assert published["largest_share"] > 0.5


def test_fewer_components_are_the_first_raw_columns() -> None:
    rows, _ = pooled_features(300, 1)
    raw = RawColumns(rows, ReducedRows(rows, fit_pca(rows), 5, False, False))
    assert raw.shape == (300, 5)
    np.testing.assert_array_equal(np.concatenate(list(raw.blocks(64))), rows.values[:, :5])
    np.testing.assert_array_equal(raw.take(np.array([7, 3])), rows.values[[7, 3], :5])


def test_columns_beyond_the_rank_decide_nothing() -> None:
    """Published bases keep all components; centres are 0 in those without variance, raw features are not."""
    random = np.random.default_rng(3)
    values = random.normal(size=(200, 6))
    values[:, 4:] = 1.0
    rows = ArrayRows(values, space="space")
    reduced = ReducedRows(rows, fit_pca(rows), None, False, False)
    assert reduced.shape[1] == 4
    model = fit_kmeans(reduced, 5, 0)
    padded = np.concatenate([model.centres, np.zeros((5, 2))], axis=1)
    distances = np.linalg.norm(values[:, None] - padded, axis=2)
    np.testing.assert_array_equal(assign(RawColumns(rows, reduced), model).cluster, distances.argmin(axis=1))


def test_too_few_columns_are_refused() -> None:
    with pytest.raises(UserError, match="3 columns cannot stand for 4"):
        RawColumns(ArrayRows(np.zeros((2, 3))), ArrayRows(np.zeros((2, 4))))
