"""How the number of clusters was chosen: a curve, the values behind it, and what else is worth a look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clusterprobe.report.charts import curves
from clusterprobe.report.pages import page, simple_table, text

_TITLES = {
    "inertia_gap": "inertia gap",
    "silhouette": "silhouette",
    "stability": "stability",
    "generalisation": "generalisation",
    "view_agreement": "view agreement",
}


def choice_section(choice: Mapping[str, Any]) -> str:
    """Return the drawing and its sentence, or nothing if the number was asked for."""
    if not choice["curves"]:
        return ""
    lines = {_TITLES.get(name, name): _numbers(curve) for name, curve in choice["curves"].items()}
    drawing = curves(lines, _numbers(choice["agreement"]), choice["k"], "agreement")
    return f"<figure>{drawing}<figcaption>{text(_sentence(choice))}</figcaption></figure>"


def choice_page(title: str, choice: Mapping[str, Any]) -> str:
    """Return the page about the number of clusters."""
    head = f"<h1>{text(title)}</h1>"
    if not choice["curves"]:
        return page(title, f"{head}\n<p>{choice['k']} clusters, as asked for.</p>")
    names = list(choice["curves"])
    rows = [
        [k, *(f"{choice['curves'][name][k]:.3f}" for name in names), f"{agreement:.2f}"]
        for k, agreement in choice["agreement"].items()
    ]
    headers = ["Clusters", *(_TITLES.get(name, name).capitalize() for name in names), "Agreement"]
    note = "Agreement: the mean of the criteria after each is scaled to reach from 0 to 1. Higher is better."
    table = simple_table(headers, rows)
    return page(title, f'{head}\n{choice_section(choice)}\n{table}\n<p class="note">{note}</p>')


def _sentence(choice: Mapping[str, Any]) -> str:
    others = ", ".join(str(k) for k in choice["offered"] if k != choice["k"])
    also = f" Also worth a look: {others}." if others else ""
    return f"{choice['k']} clusters were chosen, where {len(choice['curves'])} criteria agree most.{also}"


def _numbers(curve: Mapping[str, float]) -> dict[int, float]:
    return {int(k): value for k, value in curve.items()}
