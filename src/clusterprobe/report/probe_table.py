"""Table of probes: how well labels can be read from the features of each encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from clusterprobe.config.errors import UserError
from clusterprobe.report.names import PROBES, SHOTS, metric_title
from clusterprobe.report.selection import DEFAULT
from clusterprobe.report.summary import summarise
from clusterprobe.report.tables import Cell, Column, Row, Table

TITLE = "Labels read from features by probes"

_FRACTION = "labels-"
_ROW = ["dataset", "split", "variant", "encoder"]
_FIVE = ("knn_top5", "linear_top5")
_SEVERAL = "voc_map"


def build_probe_table(name: str, results: pd.DataFrame) -> Table:
    """Return the table of probes, one row per encoder, rows with the same data set and labels together.

    `results` are tidy. Raises UserError if there are no probes, or two that nothing tells apart.
    """
    rows = results[results["metric"].isin(PROBES)]
    if rows.empty:
        raise UserError(f"table {name!r} has nothing to show: the results hold no probes; leave it out")
    summary = summarise(rows, _ROW)
    columns = [metric for metric in PROBES if (summary["metric"] == metric).any()]
    order = {word: number for number, word in enumerate(dict.fromkeys(rows["encoder"]))}
    table_rows = []
    for (dataset, split, variant), group in summary.groupby(_ROW[:3], sort=False):
        for encoder in sorted(set(group["encoder"]), key=order.__getitem__):
            values = {row["metric"]: row for row in group[group["encoder"] == encoder].to_dict("records")}
            cells = tuple(_cell(metric, values) for metric in columns)
            table_rows.append(Row((str(encoder),), cells, _heading(dataset, split, variant)))
    return Table(
        name,
        TITLE,
        ("Encoder",),
        tuple(Column(metric_title(metric), metric, spread=True, compared=True) for metric in columns),
        tuple(table_rows),
        _notes(rows),
    )


def _cell(metric: str, values: Mapping[Any, Mapping[Any, Any]]) -> Cell:
    if metric in values:
        found = values[metric]
        return Cell(float(found["mean"]), float(found["std"]), int(found["n_seeds"]))
    first = metric.replace("top5", "top1")
    if metric in _FIVE and first in values:
        return Cell(None, reason="with five classes or fewer, top-5 is always right", seeds=0)
    if _SEVERAL in values:
        return Cell(None, reason="the images show several classes each", seeds=0)
    if metric == _SEVERAL:
        return Cell(None, reason="the images show one class each", seeds=0)
    if metric.partition("_")[2] in SHOTS and f"{metric.partition('_')[0]}_top1" in values:
        return Cell(None, reason="classes of one size, or none of this one", seeds=0)
    return Cell(None, reason="a probe that was not asked for here", seeds=0)


def _heading(dataset: Any, split: Any, variant: Any) -> str:
    """Return the words over a group of rows; a variant ends in its share of the labels if that is not all."""
    words, _, percent = str(variant).rpartition(_FRACTION)
    share = f"{percent} % of the labels" if words or str(variant).startswith(_FRACTION) else "all labels"
    rest = words.rstrip("-") if share != "all labels" else str(variant).replace(DEFAULT, "")
    return ", ".join([f"{dataset}, {split} split", share, *([rest] if rest else [])])


def _notes(rows: pd.DataFrame) -> tuple[str, ...]:
    seeds = rows.groupby(["run", "metric"])["value"].count()
    spread = "mean ± standard deviation over seeds" if seeds.max() > 1 else "one seed"
    several = (
        "mAP, where images show several classes: mean over classes of the average precision at eleven "
        "recalls, each class against the rest."
    )
    return (
        f"Top-1 and top-5 accuracy in percent, {spread} (one where nothing is drawn at random).",
        "kNN: weighted vote of neighbours in the train split; retrieval: class of the closest image; linear: "
        "linear classifier, its setting chosen on a part of the train split.",
        *([several] if (rows["metric"] == _SEVERAL).any() else []),
        "Bold: best of its group of rows; †: less than one standard deviation of the best below it.",
    )
