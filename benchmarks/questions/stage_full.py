"""The whole clustering stage at the size of ImageNet, against the reference protocol.

Ours is run: all principal components, for every seed k-means from a grown sample, along the leading axes,
over near centres and in one full pass, the assignment of all rows, all metrics. Of the protocol of
arXiv 2008.10312 (incremental PCA, MiniBatchKMeans with 60 epochs of partial_fit for every seed, the metrics
of scikit-learn), which would take most of a day, a few steps are measured, and their time is multiplied by
how many there are. Reading features costs it nothing, as it holds them all in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.decomposition import IncrementalPCA
from sklearn.metrics import adjusted_mutual_info_score, adjusted_rand_score, normalized_mutual_info_score

from benchmarks.harness import Outcome, Question, Size, peak_rss_mb, timed
from benchmarks.synthetic import CLASSES, Int64, shards
from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.cluster.minibatch import default_batch_size
from clusterprobe.cluster.points import Points
from clusterprobe.evaluate.clustering import evaluate_assignments
from clusterprobe.features.pca import fit_pca
from clusterprobe.store.features import FeatureMatrix

QUESTION = Question(
    "stage-full",
    "the whole clustering stage, 1,281,167 x 2048, K = 1000, 5 seeds, all metrics, within 4 GB",
    "the protocol of arXiv 2008.10312, extrapolated from measured steps",
    40,
)
_LIMIT_MB, _LIMIT_OF_COMPONENTS_MB = 4096.0, 1536.0
_MEMORY_BYTES = 2**30  # of features that may be kept: at full size those along the leading axes
_EPOCHS, _FULL_PASSES = 60, 1


class Stage(NamedTuple):
    """How large a stage is, and how many steps of the protocol are measured."""

    rows: int
    dims: int
    k: int
    seeds: int
    steps: int


def measure(size: Size) -> Outcome:
    if size.name != "full":
        return Outcome(None, note="half an hour and more: `make bench BENCH=full` runs it")
    return compare(Stage(1_281_167, 2048, 1000, 5, 20), size)


def compare(stage: Stage, size: Size) -> Outcome:
    """Run ours and measure steps of the protocol."""
    rows, labels = shards(size.folder, stage.rows, stage.dims)
    components, _ = timed(lambda: fit_pca(rows))
    peak_of_components = peak_rss_mb()
    parts, inertias, scores = ours(rows, labels, stage)
    parts = {"PCA": components} | parts
    peak = peak_rss_mb()
    theirs = reference(rows, labels, stage)
    return Outcome(
        sum(theirs.values()) / sum(parts.values()),
        {
            **{f"ours, {name}, seconds": seconds for name, seconds in parts.items()},
            **{f"the protocol, {name}, seconds, extrapolated": seconds for name, seconds in theirs.items()},
            "our peak memory, MB": peak,
            "our peak memory up to the components, MB": peak_of_components,
            "our inertia per row": [inertia / stage.rows for inertia in inertias],
            "our ACC on the same rows": [score["acc"] for score in scores],
            "our AMI": [score["ami"] for score in scores],
            "full passes of a seed": _FULL_PASSES,
        },
        holds=peak < _LIMIT_MB and peak_of_components < _LIMIT_OF_COMPONENTS_MB,
    )


def ours(
    rows: FeatureMatrix, labels: Int64, stage: Stage
) -> tuple[dict[str, float], list[float], list[dict[str, float]]]:
    """Return the seconds of each part after PCA, and inertia and scores of each seed.

    All components rotate the rows, which changes no distance: k-means fits the rows as they are.
    """
    seconds = dict.fromkeys(("k-means", "assignment", "metrics"), 0.0)
    seconds["k-means"], points = timed(lambda: Points.of(rows, spherical=False, memory_bytes=_MEMORY_BYTES))
    inertias, scores = [], []
    for seed in range(stage.seeds):
        spent, model = timed(
            lambda seed=seed: fit_kmeans(points, stage.k, seed, max_iterations=_FULL_PASSES)  # type: ignore[misc]
        )
        seconds["k-means"] += spent
        spent, found = timed(lambda model=model: assign(rows, model).cluster)  # type: ignore[misc]
        seconds["assignment"] += spent
        spent, score = timed(
            lambda found=found: evaluate_assignments(found, labels, found, labels, stage.k, CLASSES)  # type: ignore[misc]
        )
        seconds["metrics"] += spent
        inertias.append(model.inertia)
        scores.append(score)
    return seconds, inertias, scores


class ProtocolSteps(NamedTuple):
    """Seconds of one step of each part of the protocol, and how many rows a step takes."""

    pca_batch: float
    pca_rows: int
    transform_block: float
    block_rows: int
    kmeans_batch: float
    kmeans_rows: int
    predict_block: float
    metrics: float


def reference(rows: FeatureMatrix, labels: Int64, stage: Stage) -> dict[str, float]:
    """Return the seconds that each part of the protocol would take."""
    return extrapolated(stage, measured_steps(rows, labels, stage))


def extrapolated(stage: Stage, step: ProtocolSteps) -> dict[str, float]:
    """Return the seconds of each part: those of a step, times how many there are."""
    return {
        "PCA": stage.rows / step.pca_rows * step.pca_batch
        + stage.rows / step.block_rows * step.transform_block,
        "k-means": stage.seeds * _EPOCHS * stage.rows / step.kmeans_rows * step.kmeans_batch,
        "assignment": stage.seeds * stage.rows / step.block_rows * step.predict_block,
        "metrics": stage.seeds * step.metrics,
    }


def measured_steps(rows: FeatureMatrix, labels: Int64, stage: Stage) -> ProtocolSteps:
    """Run a few steps of each part of the protocol on the rows of the stage."""
    pca_rows, batch = max(4096, 2 * stage.dims), default_batch_size(stage.k)
    taken = min(stage.rows, pca_rows)
    block = rows.take(np.arange(taken))
    pca = IncrementalPCA()
    pca.partial_fit(block)  # the first batch is cheaper than all others
    pca_step, _ = timed(lambda: pca.partial_fit(block))
    turning, _ = timed(lambda: pca.transform(block))
    model = MiniBatchKMeans(stage.k, batch_size=batch, random_state=0)
    generator = np.random.default_rng(0)

    def step() -> float:
        part = rows.take(np.sort(generator.choice(stage.rows, min(batch, stage.rows), replace=False)))
        return timed(lambda: model.partial_fit(part))[0]

    step()  # which also draws the first centres
    steps = [step() for _ in range(stage.steps)]
    finding, _ = timed(lambda: model.predict(block))
    metrics = _seconds_of_metrics(generator.permutation(labels) % stage.k, labels)
    return ProtocolSteps(pca_step, pca_rows, turning, taken, float(np.mean(steps)), batch, finding, metrics)


def _seconds_of_metrics(found: Int64, labels: Int64) -> float:
    scores: list[Callable[[Int64, Int64], float]] = [
        adjusted_mutual_info_score,
        adjusted_rand_score,
        normalized_mutual_info_score,
    ]
    return sum(timed(lambda score=score: score(labels, found))[0] for score in scores)  # type: ignore[misc]
