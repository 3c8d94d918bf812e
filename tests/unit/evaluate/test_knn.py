"""kNN probe against brute force and scikit-learn: neighbours, votes, ties, leave-one-out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate import knn
from clusterprobe.evaluate.knn import Nearest, knn_scores, nearest_in_bank, top_accuracies, vote
from clusterprobe.store.rows import ArrayRows


def _blobs(count: int, seed: int, width: int = 5, classes: int = 7) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, count)
    means = np.random.default_rng(99).normal(size=(classes, width))
    return (means[labels] + 0.8 * generator.normal(size=(count, width))).astype(np.float32), labels


def _brute(bank: np.ndarray, queries: np.ndarray, k: int, own: np.ndarray | None) -> np.ndarray:
    """All pairs in float64, ties by index."""
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (bank, queries)]
    cosines = unit[1].astype(np.float64) @ unit[0].astype(np.float64).T
    if own is not None:
        for query, row in enumerate(own):
            if row >= 0:
                cosines[query, row] = -np.inf
    return np.argsort(-cosines, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("size", [7, 64, 8192])
def test_neighbours_are_those_of_brute_force_in_any_blocks(
    size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(knn, "_BANK_ROWS", size)
    monkeypatch.setattr(knn, "_QUERIES", size)
    (bank, _), (queries, _) = _blobs(300, 0), _blobs(80, 1)
    found = nearest_in_bank(ArrayRows(bank), ArrayRows(queries), 20)
    assert np.array_equal(found.indices, _brute(bank, queries, 20, None))
    assert (np.diff(found.similarities, axis=1) <= 0).all()


@settings(deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.integers(1, 12))
def test_equal_similarities_are_ordered_by_index(seed: int, k: int, block: int) -> None:
    """Rows of few values tie all the time; unit length of axis vectors keeps their cosines exact."""
    generator = np.random.default_rng(seed)
    bank = np.eye(4, dtype=np.float32)[generator.integers(0, 4, 30)]
    queries = np.eye(4, dtype=np.float32)[generator.integers(0, 4, 5)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knn, "_BANK_ROWS", block)
        found = nearest_in_bank(ArrayRows(bank), ArrayRows(queries), k)
    assert np.array_equal(found.indices, _brute(bank, queries, min(k, 30), None))


@pytest.mark.parametrize("size", [16, 8192])
def test_the_query_is_never_in_its_bank(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knn, "_BANK_ROWS", size)
    bank, _ = _blobs(60, 0)
    bank[30] = bank[7]
    own = np.arange(60)
    found = nearest_in_bank(ArrayRows(bank), ArrayRows(bank), 100, own)
    assert found.indices.shape == (60, 59), "all others"
    assert not (found.indices == own[:, None]).any()
    assert found.indices[7, 0] == 30
    assert np.array_equal(found.indices[:, :10], _brute(bank, bank, 10, own))


def test_only_those_in_the_bank_are_left_out() -> None:
    """Queries 0 to 3 against a bank of rows 2 and 3 of them."""
    rows, _ = _blobs(4, 0)
    found = nearest_in_bank(ArrayRows(rows[2:]), ArrayRows(rows), 1, np.array([-1, -1, 0, 1]))
    assert found.indices[2:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_scores_are_those_of_scikit_learn(temperature: float) -> None:
    (bank, labels), (queries, truth) = _blobs(300, 0), _blobs(100, 1)
    classifier = KNeighborsClassifier(
        25, metric="cosine", algorithm="brute", weights=lambda distance: np.exp((1 - distance) / temperature)
    ).fit(bank, labels)
    probabilities = classifier.predict_proba(queries)
    found = nearest_in_bank(ArrayRows(bank), ArrayRows(queries), 25)
    votes = vote(found, labels, 7, temperature)
    np.testing.assert_allclose(votes / votes.sum(axis=1, keepdims=True), probabilities, atol=1e-5)
    scores = knn_scores(found, labels, truth, 7, temperature)
    assert scores["knn_top1"] == pytest.approx((probabilities.argmax(axis=1) == truth).mean())
    five = np.argsort(-probabilities, axis=1, kind="stable")[:, :5]
    voted = np.take_along_axis(probabilities, five, axis=1) > 0
    assert scores["knn_top5"] == pytest.approx(((five == truth[:, None]) & voted).any(axis=1).mean())
    nearest = KNeighborsClassifier(1, metric="cosine", algorithm="brute").fit(bank, labels)
    assert scores["retrieval_top1"] == pytest.approx(nearest.score(queries, truth))


def test_a_low_temperature_neither_overflows_nor_changes_its_mind() -> None:
    nearest = Nearest(np.array([[0, 1, 2]]), np.array([[0.9, 0.8, 0.8]], np.float32))
    votes = vote(nearest, np.array([0, 1, 1]), 2, 1e-5)
    assert np.isfinite(votes).all()
    assert votes.argmax() == 0
    assert vote(nearest, np.array([0, 1, 1]), 2, 10.0).argmax() == 1
    with pytest.raises(UserError, match="must be positive"):
        vote(nearest, np.array([0, 1, 1]), 2, 0.0)


def test_images_without_labels_do_not_count_and_classes_without_neighbours_are_no_guess() -> None:
    nearest = Nearest(np.array([[0], [1], [0]]), np.ones((3, 1), np.float32))
    scores = knn_scores(nearest, np.array([0, 6]), np.array([0, 1, -1]), 7, 0.1)
    assert scores == {"knn_top1": 0.5, "knn_top5": 0.5, "retrieval_top1": 0.5}
    with pytest.raises(UserError, match="has a label"):
        knn_scores(nearest, np.array([0, 6]), np.full(3, -1), 7, 0.1)


def test_equal_scores_go_to_the_first_class_and_few_classes_have_no_top5() -> None:
    assert top_accuracies(np.ones((2, 3)), np.array([0, 1])) == {"top1": 0.5}
    assert top_accuracies(np.ones((2, 7)), np.array([4, 5])) == {"top1": 0.0, "top5": 0.5}


def test_wrong_banks_are_refused() -> None:
    rows = ArrayRows(np.ones((3, 2)), "a")
    with pytest.raises(UserError, match="features of one encoder"):
        nearest_in_bank(rows, ArrayRows(np.ones((3, 2)), "b"), 1)
    with pytest.raises(UserError, match="at least 1"):
        nearest_in_bank(rows, rows, 0)
    with pytest.raises(UserError, match="besides the query"):
        nearest_in_bank(ArrayRows(np.ones((1, 2)), "a"), rows, 1, np.array([0, -1, -1]))
