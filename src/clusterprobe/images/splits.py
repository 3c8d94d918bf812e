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


def long_tailed(
    ids: Sequence[str], labels: npt.NDArray[np.int64], imbalance: float, seed: int
) -> npt.NDArray[np.int64]:
    """Return the sorted indices of images whose classes have an exponential profile.

    Class c of C, in label order, keeps N / C * imbalance^(-c / (C - 1)) of its images, rounded, all where it
    has no more, and never less than one (Cui et al., arXiv 1901.05555, section 5.1). Images without a label
    (-1) stay.
    """
    hashes = _unit_hashes(ids, f"imbalance {seed}")
    classes = int(labels.max(initial=0)) + 1
    mean = int((labels >= 0).sum()) / classes
    chosen = [np.flatnonzero(labels < 0)]
    for label in range(classes):
        quota = max(1, round(mean * imbalance ** (-label / max(1, classes - 1))))
        chosen.append(_smallest(np.flatnonzero(labels == label), hashes, quota))
    return np.sort(np.concatenate(chosen))


def one_in(
    ids: Sequence[str], labels: npt.NDArray[np.int64], number: int, seed: int
) -> npt.NDArray[np.int64]:
    """Return the sorted indices of one in `number` images of every label, rounded, never less than one."""
    hashes = _unit_hashes(ids, f"one in {number} {seed}")
    members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    chosen = [_smallest(each, hashes, max(1, round(len(each) / number))) for each in members]
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
