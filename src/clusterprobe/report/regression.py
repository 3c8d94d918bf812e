"""Straight lines through points, as figures quote them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """y = slope x + intercept, with the standard error of the slope and the share of variance explained."""

    slope: float
    intercept: float
    slope_error: float
    r_squared: float

    def at(self, x: Float64) -> Float64:
        """Return the line at x."""
        return self.slope * x + self.intercept


def least_squares(x: Float64, y: Float64) -> Fit | None:
    """Return the ordinary least squares line through points x, y [N]; None for fewer than three.

    Points of one x, or of one y, have no line, either.
    """
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    across, up = x - x.mean(), y - y.mean()
    spread = float(across @ across)
    slope = float(across @ up) / spread
    residual = up - slope * across
    unexplained = float(residual @ residual)
    error = float(np.sqrt(unexplained / (len(x) - 2) / spread))
    return Fit(slope, float(y.mean() - slope * x.mean()), error, 1 - unexplained / float(up @ up))
