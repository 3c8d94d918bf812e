"""Which images are test images, and which stay under a limit: decided by a hash of each id.

No random generator takes part, so an image keeps its place on every machine and, in the plain split,
whatever other images come or go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def stable_test_mask(ids: Sequence[str], fraction: float, seed: int) -> npt.NDArray[np.bool_]:
    """Return [N] bool: True where an image is a test image; each decision depends on that id alone."""
    return _unit_hashes(ids, f"split {seed}") < fraction


def stratified_test_mask(
    ids: Sequence[str], labels: npt.NDArray[np.int64], fraction: float, seed: int
) -> npt.NDArray[np.bool_]:
    """Return [N] bool with the rounded `fraction` of every label's images in the test split."""
    hashes = _unit_hashes(ids, f"split {seed}")
    mask = np.zeros(len(ids), dtype=np.bool_)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        mask[_smallest(members, hashes, round(len(members) * fraction))] = True
    return mask


def limited(
    ids: Sequence[str], labels: npt.NDArray[np.int64], count: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return the sorted indices of `count` images, every label in proportion (largest remainder)."""
    if count >= len(ids):
        return np.arange(len(ids))
    hashes = _unit_hashes(ids, f"limit {seed}")
    names, sizes = np.unique(labels, return_counts=True)
    shares = sizes * count / len(ids)
    quotas = np.floor(shares).astype(np.int64)
    by_remainder = np.argsort(quotas - shares, kind="stable")
    quotas[by_remainder[: count - int(quotas.sum())]] += 1
    chosen = [
        _smallest(np.flatnonzero(labels == name), hashes, quota)
        for name, quota in zip(names, quotas, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def _smallest(
    members: npt.NDArray[np.int64], hashes: npt.NDArray[np.float64], count: int
) -> npt.NDArray[np.int64]:
    return members[np.argsort(hashes[members], kind="stable")[:count]]


def _unit_hashes(ids: Sequence[str], purpose: str) -> npt.NDArray[np.float64]:
    """Return [N] float64 in [0, 1): 53 bits of the SHA-256 of purpose and id."""
    digests = (hashlib.sha256(f"{purpose}\0{name}".encode()).digest() for name in ids)
    bits = [int.from_bytes(digest[:8], "big") >> 11 for digest in digests]
    return np.array(bits, dtype=np.float64) / 2.0**53
