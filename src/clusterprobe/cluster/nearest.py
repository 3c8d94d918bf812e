"""Which centre is nearest, for one block of rows at a time: float32 products, float64 sums."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from clusterprobe.store.rows import Float32

Int32 = npt.NDArray[np.int32]
Float64 = npt.NDArray[np.float64]

_SCORES_PER_BLOCK = 2**24  # 64 MiB of float32


def block_rows(k: int) -> int:
    """Return how many rows to take at a time so that their scores against `k` centres stay small."""
    return min(max(_SCORES_PER_BLOCK // k, 256), 8192)


def scores(block: Float32, centres: Float32) -> Float32:
    """Return x.c - |c|^2 / 2 [n, K], which is largest for the centre c nearest to x."""
    half_norms = 0.5 * np.einsum("kd,kd->k", centres, centres)
    result = block @ centres.T
    result -= half_norms
    return result


def nearest(block: Float32, centres: Float32) -> Int32:
    """Return the index [n] of the centre [K, D] nearest to each row [n, D]; ties go to the lower index."""
    return np.asarray(scores(block, centres).argmax(axis=1), dtype=np.int32)


def nearest_two(block: Float32, centres: Float32) -> tuple[Int32, Int32]:
    """Return the indices [n] of the nearest and of the second nearest centre (-1 when K = 1)."""
    table = scores(block, centres)
    first = table.argmax(axis=1).astype(np.int32)
    if len(centres) == 1:
        return first, np.full(len(block), -1, dtype=np.int32)
    table[np.arange(len(block)), first] = -np.inf
    return first, table.argmax(axis=1).astype(np.int32)


def cluster_sums(wide: Float64, labels: Int32, k: int) -> tuple[Float64, Float64]:
    """Return the sum [K, D] and the number [K] of the rows [n, D] of each cluster, in float64."""
    count = len(labels)
    members = csr_array((np.ones(count), (labels, np.arange(count))), shape=(k, count))
    return np.asarray(members @ wide), np.bincount(labels, minlength=k).astype(np.float64)
