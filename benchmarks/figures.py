"""The figure of growth, made of its record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_AXES = {"rows": "rows", "dims": "dimensions", "k": "clusters K"}


def draw_growth(curves: dict[str, Any], path: Path) -> None:
    """Draw one panel per axis, both scales logarithmic, with the fitted exponent of each line."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(_AXES), figsize=(10, 3.2), sharey=True, layout="constrained")
    for panel, (axis, title) in zip(panels, _AXES.items(), strict=True):
        curve = curves[axis]
        for number, (name, seconds) in enumerate(curve["seconds"].items()):
            slope = curve["exponents"][name]
            colour = f"C{['components', 'assignment', 'k-means'].index(name)}"
            panel.loglog(
                curve["at"], seconds, "os^"[number], color=colour, ls="-", label=f"{name}: {slope:.2f}"
            )
        panel.set_xlabel(title)
        panel.set_xticks(curve["at"], [f"{value:,}" for value in curve["at"]], rotation=30)
        panel.minorticks_off()
        panel.legend(title="exponent", fontsize="small")
    panels[0].set_ylabel("seconds of processors")
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)
