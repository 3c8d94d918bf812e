"""Scores of one clustering against the classes of the data set that it was fitted on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clusterprobe.cluster.matching import hungarian_then_greedy_map, majority_map
from clusterprobe.config.errors import UserError
from clusterprobe.evaluate import metrics
from clusterprobe.evaluate.imbalance import balanced_ami, class_scores, is_unbalanced
from clusterprobe.evaluate.metrics import accuracy, contingency

Int64 = npt.NDArray[np.int64]
Ids = npt.NDArray[np.integer]

PERMUTATIONS = 10


def evaluate_assignments(
    train_clusters: Ids,
    train_labels: Int64,
    eval_clusters: Ids,
    eval_labels: Int64,
    k: int,
    classes: int,
    *,
    seed: int = 0,
    one_split: bool = False,
) -> dict[str, float]:
    """Score the clusters [M] of an evaluated split, given those [N] of the train split; label -1: unknown.

    acc: Hungarian, then greedy map fitted on the train split (arXiv 2008.10312, table 2); acc_val: the same
    fitted on the evaluated split; acc_majority: majority map of the train split; chance_acc: acc with
    permuted labels, permuted once where both are `one_split`. Where classes differ in size, scores in which
    every class counts the same are added (see `imbalance`). Labelled images alone count where labels are
    needed; scores without labels are left out. Raises UserError for ids out of range and for an empty split.
    """
    scores = describe_clusters(eval_clusters, k)
    evaluated = contingency(eval_clusters, eval_labels, k, classes)
    if not evaluated.any():
        return scores
    scores |= compare(evaluated)
    scores["acc_val"] = accuracy(evaluated, hungarian_then_greedy_map(evaluated))
    train = contingency(train_clusters, train_labels, k, classes)
    if not train.any():
        return scores

    def score(some_train_labels: Int64, some_eval_labels: Int64) -> float:
        fitted = contingency(train_clusters, some_train_labels, k, classes)
        scored = contingency(eval_clusters, some_eval_labels, k, classes)
        return accuracy(scored, hungarian_then_greedy_map(fitted))

    scores["acc"] = score(train_labels, eval_labels)
    scores["acc_majority"] = accuracy(evaluated, majority_map(train))
    scores["chance_acc"] = chance(score, train_labels, None if one_split else eval_labels, seed)
    sizes = train.sum(axis=0)
    if is_unbalanced(sizes):
        right = hungarian_then_greedy_map(train)[eval_clusters] == eval_labels
        scores |= class_scores(right, eval_labels, sizes, "acc")
        scores |= balanced_ami(evaluated, seed)
    return scores


def describe_clusters(clusters: Ids, k: int) -> dict[str, float]:
    """Return the scores of clusters [N] that need no label; raises UserError if there are no rows."""
    if len(clusters) == 0:
        raise UserError("there are no images to evaluate: the split is empty")
    sizes = contingency(clusters, np.zeros(len(clusters), dtype=np.int64), k, 1)[:, 0]
    return {
        "clusters_used": float(metrics.clusters_used(sizes)),
        "largest_share": metrics.largest_share(sizes),
        "entropy": metrics.entropy(sizes),
    }


def compare(counts: Int64) -> dict[str, float]:
    """Return the scores of counts [K, C] that need no map from clusters to classes."""
    return {
        "nmi": metrics.nmi(counts),
        "nmi_geometric": metrics.nmi_geometric(counts),
        "ami": metrics.ami(counts),
        "ari": metrics.ari(counts),
        "fm": metrics.fowlkes_mallows(counts),
    }


def chance(
    score: Callable[[Int64, Int64], float], train_labels: Int64, eval_labels: Int64 | None, seed: int
) -> float:
    """Return the mean of `score` over seeded permutations of the known labels of both splits.

    This is what a clustering that knows nothing of the classes would get, with the same sizes of clusters and
    classes and the map fitted anew each time. Without `eval_labels` the train split itself is scored: the map
    is fitted on the labels that it is scored on.
    """
    generator = np.random.default_rng(seed)
    values = []
    for _ in range(PERMUTATIONS):
        permuted = _permuted(train_labels, generator)
        values.append(score(permuted, permuted if eval_labels is None else _permuted(eval_labels, generator)))
    return float(np.mean(values))


def confusion(clusters: Ids, labels: Int64, mapping: Int64, classes: int) -> Int64:
    """Return counts [C, C]: rows are true classes, columns those that the clusters are mapped to.

    Images without a label, or in a cluster without a class (-1), do not count.
    """
    predicted = mapping[clusters]
    mapped = predicted >= 0
    return contingency(predicted[mapped], labels[mapped], classes, classes).T


class Confusion(NamedTuple):
    """`images` of class `truth` are in clusters of class `predicted`: `share` of those of `truth`."""

    truth: int
    predicted: int
    images: int
    share: float


def top_confusions(counts: Int64, number: int) -> list[Confusion]:
    """Return the `number` largest errors of a confusion matrix [C, C], ties in reading order."""
    errors = counts.copy()
    np.fill_diagonal(errors, 0)
    shares = errors / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    order = np.argsort(-errors, axis=None, kind="stable")[:number]
    cells = [divmod(int(cell), len(counts)) for cell in order if errors.flat[cell] > 0]
    return [Confusion(*cell, int(errors[cell]), float(shares[cell])) for cell in cells]


def _permuted(labels: Int64, generator: np.random.Generator) -> Int64:
    """Permute the known labels among the labelled rows."""
    known = labels >= 0
    permuted = labels.copy()
    permuted[known] = generator.permutation(labels[known])
    return permuted
