"""Checks and scaling of blocks of features."""

from __future__ import annotations

import numpy as np

from clusterprobe.config.errors import UserError
from clusterprobe.store.rows import Float32


def unit_length(block: Float32) -> Float32:
    """Return rows [n, D] scaled to Euclidean length one; rows of zeros stay zeros."""
    lengths = np.sqrt(np.einsum("nd,nd->n", block, block, dtype=np.float64))
    lengths[lengths == 0] = 1
    scaled: Float32 = (block / lengths[:, None]).astype(np.float32)
    return scaled


def require_finite(block: Float32, space: str) -> None:
    """Raise UserError when a block of features holds NaN or infinity."""
    if not np.isfinite(block).all():
        raise UserError(
            f"features {space or '(unnamed)'} hold NaN or infinite values: check the encoder's weights and "
            "preprocessing, then extract the features again"
        )
