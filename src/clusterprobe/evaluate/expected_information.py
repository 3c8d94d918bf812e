"""The mutual information that two independent partitions of given sizes are expected to have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_TERMS = 2**21  # terms of the sum that are held at a time


def expected_mutual_information(counts: Int64) -> float:
    """Return E[MI] in nats over all tables with the margins of counts [K, C], exactly.

    Vinh, Epps and Bailey, JMLR 11, 2010, equation 24a. A term depends on the two margins alone, so each pair
    of distinct margins is computed once and weighted by how often it occurs.
    """
    total = int(counts.sum())
    cluster_sizes, cluster_times = np.unique(counts.sum(axis=1), return_counts=True)
    class_sizes, class_times = np.unique(counts.sum(axis=0), return_counts=True)
    a, b = (side.ravel() for side in np.meshgrid(cluster_sizes, class_sizes, indexing="ij"))
    weights = np.outer(cluster_times, class_times).ravel().astype(np.float64)
    filled = (a > 0) & (b > 0)
    a, b, weights = a[filled], b[filled], weights[filled]
    lowest = np.maximum(1, a + b - total)
    lengths = np.minimum(a, b) - lowest + 1
    log_factorial: Float64 = gammaln(np.arange(total + 1, dtype=np.float64) + 1)
    expected = 0.0
    for part in _parts(lengths):
        pair = np.repeat(np.arange(part.start, part.stop), lengths[part])
        offsets = np.arange(len(pair)) - np.repeat(np.cumsum(lengths[part]) - lengths[part], lengths[part])
        terms = _terms(lowest[pair] + offsets, a[pair], b[pair], total, log_factorial)
        expected += float(terms @ weights[pair])
    return expected


def _parts(lengths: Int64) -> list[slice]:
    """Cut the pairs into runs with about _TERMS terms each."""
    run = np.cumsum(lengths) // _TERMS
    edges = [0, *(np.flatnonzero(np.diff(run)) + 1).tolist(), len(lengths)]
    return [slice(first, last) for first, last in pairwise(edges)]


def _terms(n: Int64, a: Int64, b: Int64, total: int, log_factorial: Float64) -> Float64:
    """Return n/N log(N n / (a b)) P(n), where n follows the hypergeometric law of the margins a and b."""
    information = n / total * (np.log(n) + np.log(total) - np.log(a) - np.log(b))
    log_probability = (
        log_factorial[a]
        + log_factorial[b]
        + log_factorial[total - a]
        + log_factorial[total - b]
        - log_factorial[total]
        - log_factorial[n]
        - log_factorial[a - n]
        - log_factorial[b - n]
        - log_factorial[total - a - b + n]
    )
    result: Float64 = information * np.exp(log_probability)
    return result
