"""Clusters of given sizes from logits: optimal transport by Sinkhorn's iterations, in blocks of rows.

Wanted is the plan Q >= 0 [N, K] that maximises <Q, logits> + H(Q) / power, every row with mass 1 / N and
every cluster with its share (Cuturi, arXiv 1306.0895; for labels: Asano et al., arXiv 1911.05371, section
3.1). It is a softmax over each row of

    scores = power * logits + log_scaling

so that the K scaling factors are all that has to be found and kept: what a row of logits is shifted by
cancels, the factors of the rows follow, and neither the plan nor the logits ever lie in memory as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]

Blocks = Callable[[], Iterable[Float32]]
"""Called once for every pass: all rows of logits in order, as blocks float32 [n, K]; `Rows.blocks` is one."""

FLAT = 1e-3
"""Scores of a row whose spread is smaller say nothing: its shares differ by 0.1 %."""

_CELLS = 2**18  # of a block that is worked on at once: it stays in the cache
_LOST = 1e-20  # a mass that float32 may not hold


@dataclass(frozen=True)
class Scaling:
    """The scaling factors of the clusters, and how well they balance.

    Attributes:
        log_scaling: natural logarithms float64 [K], mean 0.
        iterations: passes over the logits.
        deviation: sum over the clusters of |mass - wanted share|, from 0 to 2, whatever N is.
        converged: whether the deviation is within the tolerance.
    """

    log_scaling: Float64
    iterations: int
    deviation: float
    converged: bool


def scale(
    blocks: Blocks,
    clusters: int,
    *,
    power: float,
    shares: npt.ArrayLike | None = None,
    start: Float64 | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 1000,
) -> Scaling:
    """Find the scaling factors for logits that are read in blocks.

    Args:
        blocks: see `Blocks`; -inf is a cluster that a row cannot have. One that no row can have is left out
            and the others share what it would get.
        clusters: K.
        power: how sharp the plan is (lambda of the paper); for large values it is the one without entropy.
        shares: mass of every cluster [K], positive, scaled to sum 1; None: the same for all.
        start: logarithms of factors to go on from [K]; None: all the same.
        tolerance, max_iterations: see `balance`.

    Raises:
        ValueError: NaN, or a row that can have no cluster; shares that are not positive.
    """
    return balance(
        lambda log_scaling: log_masses(blocks, power, log_scaling),
        wanted_shares(clusters, shares),
        start=start,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )


def balance(
    measure: Callable[[Float64], Float64],
    shares: Float64,
    *,
    start: Float64 | None = None,
    tolerance: float = 1e-3,
    max_iterations: int = 1000,
) -> Scaling:
    """Scale every cluster by wanted share / mass, until the deviation is within the tolerance.

    Args:
        measure: logarithms of scaling factors [K] -> those of the masses of the clusters [K], every row
            scaled to 1 / N; see `log_masses`.
        shares: wanted masses [K], sum 1.
        start, tolerance, max_iterations: factors to go on from; the deviation, see `Scaling`, to stop at;
            and the number of passes to stop after in any case.

    Raises:
        ValueError: a mass is not a number.
    """
    log_scaling = np.zeros(len(shares)) if start is None else np.array(start, dtype=np.float64)
    for iteration in range(1, max_iterations + 1):
        found = measure(log_scaling)
        if np.isnan(found).any() or not np.isfinite(found).any():
            raise ValueError("the logits hold NaN, or rows without any finite number")
        reachable = np.isfinite(found)
        wanted = np.where(reachable, shares, 0.0)
        wanted /= wanted.sum()
        deviation = float(np.abs(np.exp(found) - wanted).sum())
        if deviation <= tolerance or iteration == max_iterations:
            break
        log_scaling[reachable] += np.log(wanted[reachable]) - found[reachable]
        log_scaling -= log_scaling[reachable].mean()
    return Scaling(log_scaling, iteration, deviation, deviation <= tolerance)


def wanted_shares(clusters: int, shares: npt.ArrayLike | None) -> Float64:
    """Return the masses of the clusters, float64 [K], sum 1; raises ValueError unless all are positive."""
    if shares is None:
        return np.full(clusters, 1.0 / clusters)
    given = np.asarray(shares, dtype=np.float64)
    if given.shape != (clusters,) or not (np.isfinite(given) & (given > 0)).all():
        raise ValueError(f"shares must be {clusters} positive numbers")
    scaled: Float64 = given / given.sum()
    return scaled


def log_masses(blocks: Blocks, power: float, log_scaling: Float64) -> Float64:
    """Return the logarithms of the masses of the clusters [K] when every row has mass 1 / N.

    Single precision is enough: exponentials are of differences from the largest score of the row, and masses
    that it cannot hold are summed again as logarithms.
    """
    masses, count = np.zeros(len(log_scaling)), 0
    shift = log_scaling.astype(np.float32)
    for block in _pieces(blocks, len(log_scaling)):
        weights = _exponentiate(block, np.float32(power), shift)
        masses += (1 / weights.sum(axis=1)) @ weights
        count += len(block)
    with np.errstate(divide="ignore"):
        found: Float64 = np.log(masses / max(count, 1))
    lost = np.flatnonzero(masses < _LOST * max(count, 1))
    if len(lost):
        found[lost] = _log_masses_of(blocks, power, log_scaling, lost) - np.log(count)
    return found


def assign(blocks: Blocks, power: float, log_scaling: Float64) -> Int32:
    """Return for each row the cluster int32 [N] that gets most of it: the arg-max of its scores."""
    found, first = [np.empty(0, dtype=np.int32)], 0
    for block in _pieces(blocks, len(log_scaling)):
        found.append(best_clusters(scores(block, power, log_scaling), np.arange(first, first + len(block))))
        first += len(block)
    return np.concatenate(found)


def scores(block: Float32, power: float, log_scaling: Float64) -> Float64:
    """Return power * logits + log_scaling, float64 [n, K]."""
    return np.asarray(block, dtype=np.float64) * power + log_scaling


def best_clusters(table: Float64, rows: Int64) -> Int32:
    """Return the arg-max of each row of scores [n, K]; -inf is a cluster that is not to be had.

    Rows whose scores are all equal take turns by their number `rows` [n]: a network that has collapsed gives
    all images the same scores, and the arg-max would give all of them one label.
    """
    best: Int32 = table.argmax(axis=1).astype(np.int32)
    open_to = np.isfinite(table)
    spread = table.max(axis=1) - table.min(axis=1, where=open_to, initial=np.inf)
    for row in np.flatnonzero(spread < FLAT):
        candidates = np.flatnonzero(open_to[row])
        best[row] = candidates[rows[row] % len(candidates)]
    return best


def _exponentiate(block: Float32, power: np.float32, shift: Float32) -> Float32:
    """Return exp(scores - largest score of the row), float32 [n, K]."""
    table: Float32 = block * power
    table += shift
    with np.errstate(invalid="ignore"):  # a row of -inf becomes NaN, which `balance` refuses
        table -= table.max(axis=1, keepdims=True)
    return np.exp(table, out=table)


def _log_masses_of(blocks: Blocks, power: float, log_scaling: Float64, columns: Int64) -> Float64:
    """Return log sum_i Q_ik for a few clusters, by logarithms in float64; -inf where no row can have it."""
    total = np.full(len(columns), -np.inf)
    for block in _pieces(blocks, len(log_scaling)):
        table = scores(block, power, log_scaling)
        shares = table[:, columns] - _log_sum(table, axis=1)[:, None]
        total = np.logaddexp(total, _log_sum(shares, axis=0))
    return total


def _log_sum(table: Float64, axis: int) -> Float64:
    top = table.max(axis=axis, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        found: Float64 = np.log(np.exp(table - top).sum(axis=axis)) + top.squeeze(axis)
    return found


def _pieces(blocks: Blocks, clusters: int) -> Iterator[Float32]:
    rows = max(1, _CELLS // clusters)
    for block in blocks():
        for first in range(0, len(block), rows):
            yield block[first : first + rows]
