"""Adjusted mutual information of large tables."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import adjusted_mutual_info_score

from benchmarks.harness import Outcome, Question, Size, timed
from clusterprobe.evaluate.metrics import ami, contingency

QUESTION = Question(
    "ami",
    "AMI at N = 1.28 M, 1000 classes x 1500 clusters, within 3 seconds",
    "3 seconds over ours",
    1,
    quick="AMI at N = 100,000, 300 classes x 400 clusters, within 3 seconds",
)
_LIMIT = 3.0


def measure(size: Size) -> Outcome:
    count, classes, clusters = size.choose((100_000, 300, 400), (1_281_167, 1000, 1500))
    generator = np.random.default_rng(0)
    shares = (np.arange(classes) + 20.0) ** -0.5
    labels = generator.choice(classes, count, p=shares / shares.sum())
    noise = generator.integers(clusters, size=count)
    found = np.where(generator.random(count) < 0.5, labels * clusters // classes, noise)
    ours, value = min(timed(lambda: ami(contingency(found, labels, clusters, classes))) for _ in range(3))
    theirs, expected = timed(lambda: adjusted_mutual_info_score(labels, found))
    difference = abs(value - expected)
    return Outcome(
        _LIMIT / ours,
        {
            "ours, seconds": ours,
            "scikit-learn, seconds": theirs,
            "times as fast": theirs / ours,
            "AMI": value,
            "difference": difference,
        },
        holds=difference <= 1e-9,
    )
