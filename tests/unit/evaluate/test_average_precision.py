"""Average precision against scikit-learn and against the definition of VOC, written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.average_precision import (
    area,
    average_precision,
    eleven_points,
    mean_average_precision,
)


def _eleven_points_written_out(scores: np.ndarray, labels: np.ndarray) -> float:
    """Precision and recall at every threshold, then at each of eleven recalls the best precision."""
    curve = []
    for threshold in set(scores):
        shown = scores >= threshold
        right = (shown & (labels == 1)).sum()
        curve.append((right / shown.sum(), right / (labels == 1).sum()))
    levels = [level / 10 for level in range(11)]
    return float(
        np.mean([max((p for p, r in curve if round(r, 9) >= level), default=0.0) for level in levels])
    )


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 30))
def test_one_class_is_that_of_the_definitions(seed: int, count: int, values: int) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, values, count) / values  # ties
    labels = generator.integers(0, 2, count)
    labels[generator.integers(count)] = 1
    assert average_precision(scores, labels, area) == pytest.approx(average_precision_score(labels, scores))
    expected = _eleven_points_written_out(scores, labels)
    assert average_precision(scores, labels, eleven_points) == pytest.approx(expected)


def test_a_case_by_hand() -> None:
    """Right, wrong, right: precision 1 up to recall 0.5 (six levels), then 2/3 (five)."""
    scores, labels = np.array([0.9, 0.5, 0.1]), np.array([1, 0, 1])
    assert average_precision(scores, labels, eleven_points) == pytest.approx((6 + 5 * 2 / 3) / 11)
    assert average_precision(scores, labels, area) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_difficult_images_do_not_count_and_classes_without_images_neither() -> None:
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.7, 0.3]])
    labels = np.array([[-1, 0], [1, 0], [0, -1]])
    assert mean_average_precision(scores, labels, area) == 1.0
    with pytest.raises(UserError, match="no image shows any class"):
        mean_average_precision(scores, np.zeros((3, 2), int), area)


def test_the_mean_is_over_classes() -> None:
    generator = np.random.default_rng(0)
    scores, labels = generator.random((50, 4)), generator.integers(0, 2, (50, 4))
    expected = average_precision_score(labels, scores, average="macro")
    assert mean_average_precision(scores, labels, area) == pytest.approx(expected)
