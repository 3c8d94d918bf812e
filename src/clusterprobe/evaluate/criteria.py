"""Choosing among encoders and settings without labels: criteria of a clustering and of its features.

Everything here takes features and the clusters that a method found, nothing else: no manifest and no label
can come in. docs/criteria.md says what each criterion means and which choices were made. Higher is better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.kmeans import assign, fit_kmeans
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.knn import nearest_in_bank
from clusterprobe.evaluate.linear_probe import Setting, Training, train_heads
from clusterprobe.evaluate.metrics import ari, contingency, nmi_geometric
from clusterprobe.features.scaling import unit_length
from clusterprobe.runs.assignments import SeedClusters
from clusterprobe.store.rows import ArrayRows, Float32, Rows

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Found = NewType("Found", npt.NDArray[np.int64])
"""Clusters [n] that a method found: a type of its own, so that labels cannot be given in their place."""

_PAIRS = 2**22  # distances that are held at a time
_RESTARTS = 10
_CLASSIFIER, _TRAINING = Setting(learning_rate=0.1, weight_decay=1e-4), Training(epochs=20)


@dataclass(frozen=True)
class Sample:
    """Some images of a clustering: `points` [n, D] in the space of the clusters, `clusters` [n] of k."""

    points: Float32
    clusters: Found
    k: int

    @property
    def is_trivial(self) -> bool:
        """Whether all images are in one cluster, so that the clustering says nothing."""
        return len(np.unique(self.clusters)) < 2


def sampled(count: int, size: int, seed: int) -> Int64:
    """Return the sorted rows [min(size, count)] of a sample of `count` images."""
    rows: Int64 = np.sort(np.random.default_rng(seed).permutation(count)[:size])
    return rows


def draw_sample(rows: Rows, block: SeedClusters, k: int, chosen: Int64) -> Sample:
    """Return the images `chosen` [n] of features [N, D] and of the clusters of one seed.

    Raises UserError if features and clusters are of different numbers of images.
    """
    if rows.shape[0] != len(block.cluster):
        raise UserError(
            f"{rows.shape[0]} rows of features but {len(block.cluster)} images with clusters: run again"
        )
    return Sample(rows.take(chosen), Found(block.cluster[chosen].astype(np.int64)), k)


def principal(points: Float32, dims: int) -> Float32:
    """Return points [n, D] on their leading principal axes, float32 [n, min(dims, rank)]."""
    centred = points.astype(np.float64) - points.mean(axis=0, dtype=np.float64)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    rank = max(int((values > values[0] * max(centred.shape) * np.finfo(np.float64).eps).sum()), 1)
    kept = min(dims, rank)
    axes: Float32 = (left[:, :kept] * values[:kept]).astype(np.float32)
    return axes


def silhouette(sample: Sample) -> float:
    """Return the mean of (b - a) / max(a, b): a, b mean Euclidean distances to the own and the next cluster.

    Rousseeuw, J. Comput. Appl. Math. 20, 1987. An image that is alone in its cluster counts 0; 0 if all are
    in one cluster.
    """
    if sample.is_trivial:
        return 0.0
    points = sample.points.astype(np.float64)
    _, own = np.unique(sample.clusters, return_inverse=True)
    members = np.zeros((len(points), own.max() + 1))
    members[np.arange(len(points)), own] = 1
    sizes, squares = members.sum(axis=0), np.einsum("nd,nd->n", points, points)
    total, step = 0.0, max(_PAIRS // len(points), 1)
    for first in range(0, len(points), step):
        here = slice(first, first + step)
        products = squares[here, None] + squares - 2 * points[here] @ points.T
        sums = np.sqrt(np.maximum(products, 0)) @ members
        rows, mine = np.arange(len(sums)), own[here]
        within = sums[rows, mine] / np.maximum(sizes[mine] - 1, 1)
        means = sums / sizes
        means[rows, mine] = np.inf
        between = means.min(axis=1)
        larger = np.maximum(within, between)
        scores = np.divide(between - within, larger, out=np.zeros_like(larger), where=larger > 0)
        total += float(scores[sizes[mine] > 1].sum())
    return total / len(points)


def inertia_gap(sample: Sample, references: int, seed: int) -> float:
    """Return mean log W* - log W: how much tighter the clusters are than those of data without structure.

    W: sum of squared distances to the means of the clusters that were found; W*: the same of k-means on as
    many points, drawn uniformly from the box around the sample along its principal axes. Tibshirani, Walther
    and Hastie, J. R. Stat. Soc. B 63, 2001, equation 3 and section 4 (b).
    """
    axes = principal(sample.points, sample.points.shape[1])
    k = min(sample.k, len(axes))
    low, high = axes.min(axis=0), axes.max(axis=0)
    generator = np.random.default_rng(seed)
    logs = []
    for number in range(references):
        reference = ArrayRows(generator.uniform(low, high, axes.shape))
        logs.append(np.log(_positive(fit_kmeans(reference, k, seed + number, restarts=1).inertia)))
    return float(np.mean(logs) - np.log(_positive(_within(axes, sample.clusters))))


def stability(clusterings: Sequence[Found], k: int) -> list[float]:
    """Return for each of S clusterings [N] of the same images its mean adjusted Rand index with the others.

    Empty for one clustering. Two clusterings that each put all images into one cluster agree on nothing: 0.
    """
    agreement = np.zeros((len(clusterings), len(clusterings)))
    for one in range(len(clusterings)):
        for other in range(one):
            counts = contingency(clusterings[one], clusterings[other], k, k)
            says_nothing = min(counts.any(axis=0).sum(), counts.any(axis=1).sum()) < 2
            agreement[one, other] = agreement[other, one] = 0.0 if says_nothing else ari(counts)
    if len(clusterings) < 2:
        return []
    return [float(value) for value in agreement.sum(axis=1) / (len(clusterings) - 1)]


def generalisation(sample: Sample, folds: int, seed: int) -> float:
    """Return how well a linear classifier predicts the clusters of images that it was not trained on.

    Cross-validated, as Cohen's kappa: 1 for no mistake, 0 for what guessing by cluster sizes would get. The
    label-free criterion of TURTLE (arXiv 2406.07236), there with accuracy in place of kappa.
    """
    clusters, count = sample.clusters, len(sample.points)
    fold = np.random.default_rng(seed).permutation(np.arange(count) % folds)
    counts = np.zeros((sample.k, sample.k), dtype=np.int64)
    for number in range(folds):
        fit, rest = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        rows = ArrayRows(sample.points[fit])
        model = train_heads(rows, clusters[fit], sample.k, [_CLASSIFIER], _TRAINING, seed)
        predicted = model.logits(sample.points[rest])[:, 0].argmax(axis=1)
        counts += contingency(predicted, clusters[rest], sample.k, sample.k)
    agreed, chance = np.trace(counts) / count, float(counts.sum(0) @ counts.sum(1)) / count**2
    return float((agreed - chance) / (1 - chance)) if chance < 1 else 0.0


def view_agreement(first: Float32, second: Float32, k: int, seed: int) -> dict[str, float]:
    """Compare the features [n, D] of one view of each image with those of another view.

    view_nmi: NMI (geometric mean) of k-means on one view and k-means on the other; view_retrieval: share of
    images whose closest feature of the other view, by cosine, is of the same image, mean of both directions;
    view_agreement: their product. CLD, arXiv 2008.03813, "NMI(f, f') x R(f, f')".
    """
    nmi = nmi_geometric(contingency(_clusters(first, k, seed), _clusters(second, k, seed + 1), k, k))
    own = np.arange(len(first))
    hits = [
        nearest_in_bank(ArrayRows(bank), ArrayRows(queries), 1).indices[:, 0] == own
        for bank, queries in ((second, first), (first, second))
    ]
    retrieval = float(np.mean(hits))
    return {"view_nmi": nmi, "view_retrieval": retrieval, "view_agreement": nmi * retrieval}


def _clusters(points: Float32, k: int, seed: int) -> Found:
    rows = ArrayRows(unit_length(points))
    model = fit_kmeans(rows, k, seed, spherical=True, restarts=_RESTARTS)
    return Found(assign(rows, model).cluster.astype(np.int64))


def _within(points: Float32, clusters: Found) -> float:
    """Return the sum of squared distances of points [n, D] to the mean of their cluster."""
    values = points.astype(np.float64)
    _, own = np.unique(clusters, return_inverse=True)
    sums = np.zeros((own.max() + 1, values.shape[1]))
    np.add.at(sums, own, values)
    means = sums / np.bincount(own)[:, None]
    return float(((values - means[own]) ** 2).sum())


def _positive(inertia: float) -> float:
    """Return an inertia that has a logarithm: that of points which coincide is zero."""
    return max(inertia, float(np.finfo(np.float64).tiny))
