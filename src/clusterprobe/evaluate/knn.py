"""Nearest neighbours as a probe: the labels of the closest images vote."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clusterprobe.config.errors import UserError
from clusterprobe.evaluate.imbalance import class_scores
from clusterprobe.features.scaling import require_finite, unit_length
from clusterprobe.store.rows import Float32, Rows

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_QUERIES = 2048
_BANK_ROWS = 8192


@dataclass(frozen=True)
class Nearest:
    """The nearest rows of a bank to M queries, nearest first: `indices` and cosines `similarities` [M, k]."""

    indices: Int64
    similarities: Float32


def nearest_in_bank(bank: Rows, queries: Rows, k: int, own: Int64 | None = None) -> Nearest:
    """Find the k rows of a bank [N, D] that are closest to each query [M, D] by cosine; exact.

    `own` [M] names the bank row that is the query itself (-1: none); it is never found. All other rows are
    found where there are fewer than k. Equal similarities are ordered by index. Bank and queries are read in
    blocks: memory does not grow with them. Raises UserError for rows of two spaces and for an empty bank.
    """
    _check(bank, queries, k)
    found = min(k, bank.shape[0] - (own is not None and bool((own >= 0).any())))
    if found < 1:
        raise UserError(f"the bank of {bank.space!r} holds no image besides the query: give it more labels")
    parts, first = [], 0
    for block in queries.blocks(_QUERIES):
        require_finite(block, queries.space)
        here = own[first : first + len(block)] if own is not None else None
        parts.append(_search(bank, unit_length(block), found, here))
        first += len(block)
    return Nearest(
        np.concatenate([part.indices for part in parts]),
        np.concatenate([part.similarities for part in parts]),
    )


def vote(nearest: Nearest, bank_labels: Int64, classes: int, temperature: float) -> Float64:
    """Return the votes [M, C] of the neighbours of each query, each of weight exp(cosine / temperature).

    Wu et al., arXiv 1805.01978, section 3.4. The weights are scaled so that the nearest one counts 1. Raises
    UserError for a temperature that is not positive.
    """
    if not temperature > 0:
        raise UserError(f"the temperature of a kNN probe is {temperature}: it must be positive")
    similarities = nearest.similarities.astype(np.float64)
    weights = np.exp((similarities - similarities[:, :1]) / temperature)
    votes = np.zeros((len(weights), classes))
    queries = np.broadcast_to(np.arange(len(weights))[:, None], weights.shape)
    np.add.at(votes, (queries, bank_labels[nearest.indices]), weights)
    return votes


def knn_scores(
    nearest: Nearest,
    bank_labels: Int64,
    query_labels: Int64,
    classes: int,
    temperature: float,
    train_sizes: Int64 | None = None,
) -> dict[str, float]:
    """Score the neighbours of queries with labels [M] (-1 for none, not counted) in a bank with labels [N].

    knn_top1, knn_top5: share of the queries whose class has the most votes, or is among the five with most;
    retrieval_top1: share whose nearest neighbour has their class. Equal votes are ordered by class. Without
    more than five classes there is no knn_top5. With `train_sizes` [C], scores over classes of different
    sizes are added (`imbalance.class_scores`). Raises UserError if no query has a label.
    """
    known = query_labels >= 0
    if not known.any():
        raise UserError("no image that a probe is scored on has a label: take this data set out of `probes`")
    votes, labels = vote(nearest, bank_labels, classes, temperature)[known], query_labels[known]
    votes[votes == 0] = -np.inf  # a class without a neighbour is no guess, however few the others are
    closest = bank_labels[nearest.indices[known, 0]]
    scores = {f"knn_{name}": value for name, value in top_accuracies(votes, labels).items()}
    if train_sizes is not None:
        scores |= class_scores(votes.argmax(axis=1) == labels, labels, train_sizes, "knn")
    return scores | {"retrieval_top1": float((closest == labels).mean())}


def top_accuracies(scores: npt.NDArray[np.floating], labels: Int64) -> dict[str, float]:
    """Return top1, and top5 where there are more than five classes, of scores [M, C] for labels [M].

    Equal scores are ordered by class; one of -inf never counts.
    """
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    tops = (1, 5) if scores.shape[1] > 5 else (1,)
    return {f"top{top}": float(((rank < top) & (own[:, 0] > -np.inf)).mean()) for top in tops}


def _search(bank: Rows, queries: Float32, k: int, own: Int64 | None) -> Nearest:
    """Keep the k best of all blocks of the bank for queries [n, D] of unit length."""
    best = Nearest(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
    first = 0
    for block in bank.blocks(_BANK_ROWS):
        require_finite(block, bank.space)
        similarities = queries @ unit_length(block).T
        if own is not None:
            here = np.flatnonzero((own >= first) & (own < first + len(block)))
            similarities[here, own[here] - first] = -np.inf
        indices = np.broadcast_to(np.arange(first, first + len(block)), similarities.shape)
        new = _top(indices, similarities, k)
        best = _top(
            np.concatenate([best.indices, new.indices], axis=1),
            np.concatenate([best.similarities, new.similarities], axis=1),
            k,
        )
        first += len(block)
    return best


def _top(indices: Int64, similarities: Float32, k: int) -> Nearest:
    """Return the k best columns of each row, best first; equal ones are taken and ordered by index.

    `indices` must rise along each run of equal similarities.
    """
    if similarities.shape[1] > k:
        chosen = np.argpartition(-similarities, k - 1, axis=1)[:, :k]
        threshold = np.take_along_axis(similarities, chosen, axis=1).min(axis=1, keepdims=True)
        tied = np.flatnonzero((similarities >= threshold).sum(axis=1) > k)
        chosen[tied] = np.argsort(-similarities[tied], axis=1, kind="stable")[:, :k]
        indices = np.take_along_axis(indices, chosen, axis=1)
        similarities = np.take_along_axis(similarities, chosen, axis=1)
    order = np.lexsort((indices, -similarities), axis=1)
    return Nearest(
        np.take_along_axis(indices, order, axis=1), np.take_along_axis(similarities, order, axis=1)
    )


def _check(bank: Rows, queries: Rows, k: int) -> None:
    if (bank.space, bank.shape[1]) != (queries.space, queries.shape[1]):
        raise UserError(
            f"the bank is of the space {bank.space!r} with {bank.shape[1]} columns, the queries of "
            f"{queries.space!r} with {queries.shape[1]}: take features of one encoder"
        )
    if k < 1:
        raise UserError(f"a kNN probe with k = {k}: choose at least 1")
