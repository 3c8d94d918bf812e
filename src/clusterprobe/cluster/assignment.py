"""What every clustering says about rows; apart from any method, so that a change in one stays its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clusterprobe.store.rows import Float32

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Assignment:
    """For each of N rows: nearest and second nearest cluster (int32; -1 if there is no second), distance to
    the nearest centre (Euclidean, or 1 - cosine if spherical) and confidence 1 - d1 / d2, both float32.

    Of a trained head: most probable clusters, 1 - p and p; `top` [N, 5] holds the five most probable ones.
    """

    cluster: Int32
    second: Int32
    distance: Float32
    confidence: Float32
    top: Int32 | None = None
