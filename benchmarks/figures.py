"""The figure of growth, made of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_STYLES = {"components": "oC0-", "assignment": "sC1-", "k-means": "^C2-"}
_AXES = {"rows": "rows", "dims": "dimensions", "k": "clusters K"}


def draw_growth(curves: dict[str, Any], path: Path) -> None:
    """Draw one panel per axis, both scales logarithmic, with the fitted exponent of each line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(_AXES), figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (axis, title) in zip(panels, _AXES.items(), strict=True):
        curve = curves[axis]
        for name, seconds in curve["seconds"].items():
            label = f"{name}: {curve['exponents'][name]:.2f}"
            panel.loglog(curve["at"], seconds, _STYLES[name], label=label)
        panel.set_xlabel(title)
        panel.set_xticks(curve["at"], [f"{value:,}" for value in curve["at"]], rotation=30)
        panel.minorticks_off()
        panel.legend(title="exponent", fontsize="small")
    panels[0].set_ylabel("seconds of processors")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
