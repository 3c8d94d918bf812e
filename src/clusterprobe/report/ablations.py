"""Figures of ablations: one option varies, variant by variant.

SCAN: arXiv 2005.12320, section 3.2. MMDC: arXiv 1912.02678, figures 3 and 4, whose points are not printed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from clusterprobe.config.errors import UserError
from clusterprobe.report.curves import SWEPT, draw_sweep
from clusterprobe.report.histories import training_curves
from clusterprobe.report.names import method_title
from clusterprobe.report.panels import drawable
from clusterprobe.report.selection import DEFAULT, at_home
from clusterprobe.report.summary import cells

Point = tuple[float | str, bool]
"""The value of a variant, "default" if it is not known, and whether it is an oracle."""

_LOGGED = ("squared_distance", "swapped", "rotation_accuracy")
_COURSES = (
    *("default", "rotation", "no-rotation", "sobel", "sobel-rotation", "sobel-no-rotation"),
    *("refined", "kmeans-from-start"),
)
_ORACLE = "oracle: false neighbours removed by label"


def scan_neighbours(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of SCAN against the number of neighbours, beside an oracle.

    The points are the variants `neighbours-N`, `default`, `oracle-neighbours` and `oracle-neighbours-N`.
    `results.attrs["default_neighbours"]` says which number the default has; without it the default has a
    place of its own at the right.
    """
    default = results.attrs.get("default_neighbours")
    return _draw(results, "scan-neighbours", "scan", "neighbours", default, "neighbours per image")


def scan_threshold(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of self-labelling against the threshold of its confident images.

    The points are the variants `threshold-T` and `default`; `results.attrs["default_threshold"]` says which
    threshold the default has.
    """
    default = results.attrs.get("default_threshold")
    return _draw(results, "scan-threshold", "selflabel", "threshold", default, "threshold of confidence")


def mmdc_sigma(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of MMDC against the standard deviation of the components of its target distribution.

    The points are the variants `sigma-S` and `default`, which has `results.attrs["default_sigma"]`, or 0.
    """
    default = results.attrs.get("default_sigma", 0.0)
    return _draw(results, "mmdc-sigma", "mmdc", "sigma", default, "standard deviation of the targets")


def mmdc_dimensions(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of MMDC against the number of dimensions of random means.

    The points are the variants `dimensions-D`; `default`, whose means are one-hot, stands at the right.
    """
    return _draw(results, "mmdc-dimensions", "mmdc", "dimensions", None, "dimensions of random means")


def mmdc_views(results: pd.DataFrame) -> Figure:
    """Draw ACC and ARI of MMDC against the number of augmented views of each image in a step.

    The points are the variants `views-R` and `default`, which has `results.attrs["default_views"]`, or 1.
    """
    default = results.attrs.get("default_views", 1)
    return _draw(results, "mmdc-views", "mmdc", "views", default, "augmented views per image")


def mmdc_training(histories: pd.DataFrame) -> Figure:
    """Draw the course of the trainings of MMDC, one line for each variant of its tasks and its refinement."""
    shown = histories[histories["name"].isin(_LOGGED) & histories["encoder"].isin(_COURSES)]
    if shown.empty:
        raise UserError("figure 'mmdc-training' has nothing to draw: there is no run of mmdc; leave it out")
    return training_curves(shown)


def _draw(results: pd.DataFrame, name: str, method: str, word: str, default: Any, label: str) -> Figure:
    rows = at_home(results)
    rows = rows[(rows["method"] == method) & rows["metric"].isin(SWEPT)]
    points: dict[str, Point] = {}
    for variant in map(str, rows["variant"].unique()):
        if point := variant_point(variant, word, default):
            points[variant] = point
    rows = rows[rows["variant"].isin(list(points))]
    varied = rows[rows["variant"] != DEFAULT]
    rows = drawable(name, rows[rows["k"].isin(varied["k"].unique())], f"variants {word}-…")
    values = sorted({value for value, _ in points.values()}, key=place)
    if len(points) < 2:
        raise UserError(
            f"figure {name!r} has nothing to draw: the results hold one value of {word}; leave it out"
        )
    table = _of_points(rows, points)
    several = table["encoder"].nunique() > 1
    lines = [
        _line_name(str(row["encoder"]) if several else "", method_title(method), row["value"], row["oracle"])
        for row in table.to_dict("records")
    ]
    positions = [float(values.index(value)) for value in table["value"]]
    table = table.assign(line=lines, at=positions).sort_values("oracle", kind="stable")
    return draw_sweep(table, label, range(len(values)), [tick(value, default) for value in values])


def _line_name(encoder: str, method: str, value: float | str, oracle: bool) -> str:
    """Return the name of a line; a default whose value is not known stands apart from all others."""
    words = [encoder] if encoder else []
    words += [_ORACLE] if oracle else ([] if encoder else [method])
    return ", ".join([*words, *([DEFAULT] if value == DEFAULT else [])])


def variant_point(variant: str, word: str, default: Any) -> Point | None:
    """Return the value of a variant ("default" if that is not known) and whether it is an oracle."""
    if variant == DEFAULT:
        return (DEFAULT if default is None else float(default), False)
    found = re.fullmatch(rf"(oracle-)?{word}(?:-(\d+(?:\.\d+)?))?", variant)
    if found is None or not (found[1] or found[2]):
        return None
    value = found[2] if found[2] is not None else default
    return (DEFAULT if value is None else float(value), found[1] is not None)


def _of_points(rows: pd.DataFrame, points: Mapping[str, Point]) -> pd.DataFrame:
    """Return one row per point; where a variant repeats the value of the default, the default counts."""
    table = cells(rows)
    found = [points[str(variant)] for variant in table["variant"]]
    table["value"] = pd.Series([value for value, _ in found], dtype=object)
    table["oracle"] = [oracle for _, oracle in found]
    table = table.assign(later=table["variant"] != DEFAULT).sort_values("later", kind="stable")
    return table.drop_duplicates(["dataset", "encoder", "k", "value", "oracle"])


def place(value: Any) -> tuple[bool, float]:
    """Return by what the values of an axis are put in order: the default of unknown value comes last."""
    return (True, 0.0) if value == DEFAULT else (False, float(value))


def tick(value: Any, default: Any) -> str:
    """Return what stands under a value of an axis."""
    if value == DEFAULT:
        return DEFAULT
    known = default is not None and value == float(default)
    return f"{value:g}\n{DEFAULT}" if known else f"{value:g}"
