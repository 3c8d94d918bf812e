"""The mutual information that two independent partitions of given sizes are expected to have."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

_TERMS = 2**20  # terms of the sum that are held at a time
_RARE = 45.0  # nats: what is rarer than exp(-45), 3e-20, is left out; all of it together is below 1e-15


def expected_mutual_information(counts: Int64) -> float:
    """Return E[MI] in nats over all tables with the margins of counts [K, C], to 1e-12.

    Vinh, Epps and Bailey, JMLR 11, 2010, equation 24a. A term depends on the two margins alone, so each pair
    of distinct margins is computed once and weighted by how often it occurs; of its overlaps only those that
    are not too rare to count.
    """
    total = int(counts.sum())
    cluster_sizes, cluster_times = np.unique(counts.sum(axis=1), return_counts=True)
    class_sizes, class_times = np.unique(counts.sum(axis=0), return_counts=True)
    a, b = (side.ravel() for side in np.meshgrid(cluster_sizes, class_sizes, indexing="ij"))
    weights = np.outer(cluster_times, class_times).ravel().astype(np.float64)
    filled = (a > 0) & (b > 0)
    a, b, weights = a[filled], b[filled], weights[filled]
    lowest, highest = _likely(a, b, total)
    lengths = highest - lowest + 1
    log_factorial: Float64 = gammaln(np.arange(total + 1, dtype=np.float64) + 1)
    expected = 0.0
    for part in _parts(lengths):
        pair = np.repeat(np.arange(part.start, part.stop), lengths[part])
        offsets = np.arange(len(pair)) - np.repeat(np.cumsum(lengths[part]) - lengths[part], lengths[part])
        terms = _terms(lowest[pair] + offsets, a[pair], b[pair], total, log_factorial)
        expected += float(terms @ weights[pair])
    return expected


def _likely(a: Int64, b: Int64, total: int) -> tuple[Int64, Int64]:
    """Return the least and the largest overlap of margins a and b that is not rarer than exp(-_RARE).

    The tails of the hypergeometric law are below those of the binomial law (Hoeffding, Journal of the
    American Statistical Association 58, 1963, section 6), and these below exp(-t^2 / 2m) at m - t, and below
    exp(-t^2 / 2(m + t/3)) at m + t, where m is the mean (Bernstein).
    """
    mean = a * (b / total)
    below = np.floor(mean - np.sqrt(2 * _RARE * mean)).astype(np.int64)
    above = np.ceil(mean + _RARE / 3 + np.sqrt((_RARE / 3) ** 2 + 2 * _RARE * mean)).astype(np.int64)
    return np.maximum(np.maximum(1, a + b - total), below), np.minimum(np.minimum(a, b), above)


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
