"""Random numbers from counters: what a run draws depends on where it is, never on how it got there."""

from __future__ import annotations

import hashlib

import torch


def derive_seed(seed: int, purpose: str, *counters: int) -> int:
    """Return a 63-bit seed that depends on every argument, the same on every machine."""
    digest = hashlib.sha256(repr((seed, purpose, *counters)).encode("utf-8")).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_generator(seed: int, purpose: str, *counters: int) -> torch.Generator:
    """Return a CPU generator for one purpose at one place of the run, `make_generator(seed, "order",
    epoch)`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *counters))
