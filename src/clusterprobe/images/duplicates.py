"""Pictures that are there more than once: copies of a file, and near-duplicates (resized, saved again)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

UInt64 = npt.NDArray[np.uint64]
UInt8 = npt.NDArray[np.uint8]
Int64 = npt.NDArray[np.int64]

BANDS = 4
"""Parts of 16 bits of a fingerprint: of two that differ in fewer than 4 bits, one part is the same."""

_COLOUR = 6.0  # root mean square difference of 8 x 8 copies, in levels of 256
_BUCKET = 2000  # fingerprints with one part in common that are compared; larger buckets are featureless


def duplicate_groups(
    sha256: Sequence[str], gradients: UInt64, colours: UInt8, most_bits: int | None
) -> Int64:
    """Return for each of N pictures the first picture of its group, itself if it is alone, int64 [N].

    Two pictures are in one group if their files are equal, or if `most_bits` is given (at most 3) and their
    gradients (64 bits) differ in at most so many bits and their colours [N, 192] by 6 levels of 256 (root
    mean square); and whatever such pairs connect.
    """
    _, same = np.unique(np.asarray(sha256), return_inverse=True)
    pairs = [_to_first(same)]
    if most_bits is not None:
        pairs += list(_near(gradients, colours, most_bits))
    first, second = np.concatenate(pairs, axis=1)
    count = len(same)
    links = coo_array((np.ones(len(first), dtype=bool), (first, second)), shape=(count, count))
    _, groups = connected_components(links, directed=False)
    groups_first: Int64 = _to_first(groups)[1]
    return groups_first


def _to_first(groups: npt.NDArray[np.integer]) -> Int64:
    """Return pairs [2, N]: each picture and the first one of its group."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    pairs: Int64 = np.stack([np.arange(len(groups)), first[inverse]]).astype(np.int64)
    return pairs


def _near(gradients: UInt64, colours: UInt8, most_bits: int) -> Iterator[Int64]:
    """Yield pairs [2, n] of near-duplicates, of equal fingerprints only those with the first."""
    keys = np.concatenate([gradients.view(np.uint8).reshape(-1, 8), colours], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    yield np.stack([np.arange(len(gradients)), first[inverse.ravel()]]).astype(np.int64)
    parts = gradients[first].view(np.uint16).reshape(-1, BANDS)
    small = colours.astype(np.int16)
    for band in range(BANDS):
        order = np.argsort(parts[:, band], kind="stable")
        values = parts[order, band]
        starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
        for bucket in np.split(first[order], starts[1:]):
            if 1 < len(bucket) <= _BUCKET:
                yield from _pairs(bucket, gradients, small, most_bits)


def _pairs(
    bucket: Int64, gradients: UInt64, colours: npt.NDArray[np.int16], most_bits: int
) -> Iterator[Int64]:
    for position, picture in enumerate(bucket[:-1]):
        others = bucket[position + 1 :]
        others = others[np.bitwise_count(gradients[others] ^ gradients[picture]) <= most_bits]
        if len(others):
            differences = (colours[others] - colours[picture]).astype(np.float32)
            others = others[np.sqrt((differences**2).mean(axis=1)) <= _COLOUR]
            yield np.stack([np.full(len(others), picture), others]).astype(np.int64)
