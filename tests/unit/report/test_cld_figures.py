"""Criteria of two views and probes against an option of CLD, on results like those of digits-all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure
from clusterprobe.store.tables import RESULTS

CRITERION = ("view_nmi", "view_retrieval", "view_agreement")
VALUES = {"default": 0.5, "weight-0.25": 0.4, "weight-4": 0.3, "temperature-0.2": 0.2, "other": 0.9}


def rows_of(encoder: str, variant: str, value: float, probe: str | None) -> list[dict[str, object]]:
    """Two seeds of one setting: its criteria about `value`, kNN .4 above, by a probe of some variant."""
    found = []
    for seed in (0, 1):
        fixed = {"fit_dataset": "digits", "dataset": "digits", "split": "train", "encoder": encoder}
        fixed |= {"encoder_id": f"{encoder}-{variant}-{seed}", "encoder_seed": seed, "seed": seed, "n": 10}
        fixed |= {"protocol": "clean"}
        run = {"method": "kmeans", "variant": variant, "k": 10, "run": f"{encoder}-{variant}"}
        for number, metric in enumerate(CRITERION):
            at = {"metric": metric, "value": value + number / 100 + seed / 50 - 0.01}
            found.append(fixed | run | at)
        asked = {"variant": probe, "run": f"probe-{encoder}-{variant}", "metric": "knn_top1", "split": "test"}
        found += [fixed | asked | {"value": value + 0.4}] if probe else []
    return found


@pytest.fixture
def results() -> pd.DataFrame:
    rows = [
        row
        for encoder in ("NPID + CLD", "MoCo + CLD")
        for variant, value in VALUES.items()
        if encoder == "NPID + CLD" or variant == "default"
        for row in rows_of(encoder, variant, value, variant)
    ]
    frame = pd.DataFrame(rows, columns=RESULTS.names)
    frame.attrs["default_weight"] = 1
    return frame


def curves(axes: Axes) -> list[list[float]]:
    return [[float(value) for value in np.ravel(line.get_ydata())] for line in axes.lines]


def ticks(axes: Axes) -> list[str]:
    return [tick.get_text() for tick in axes.get_xticklabels()]


def test_criterion_and_probes_go_with_the_weight(results: pd.DataFrame) -> None:
    figure = draw_figure("cld-weight", results)
    left, right = figure.axes
    assert ticks(left) == ticks(right) == ["0.25", "1\ndefault", "4"]
    found = {tuple(np.round(line, 6)) for line in curves(left)}
    assert found == {(0.4, 0.5, 0.3), (0.41, 0.51, 0.31), (0.42, 0.52, 0.32)}
    assert curves(right) == [pytest.approx([0.8, 0.9, 0.7])]
    assert left.get_title(loc="left") == "digits, NPID + CLD"
    names = {text.get_text() for text in figure.legends[0].get_texts()}
    assert names == {"NMI × R of two views", "NMI of two views", "R of two views", "kNN"}


def test_a_default_of_unknown_temperature_stands_at_the_right(results: pd.DataFrame) -> None:
    figure = draw_figure("cld-temperature", results)
    assert ticks(figure.axes[0]) == ["0.2", "default"]
    assert curves(figure.axes[1]) == [pytest.approx([0.6, 0.9])]


def test_probes_of_another_variant_or_network_do_not_count(results: pd.DataFrame) -> None:
    probes = results["metric"] == "knn_top1"
    few = results.assign(variant=results["variant"].where(~probes, "labels-10"))
    few.attrs = dict(results.attrs)
    (alone,) = draw_figure("cld-weight", few).axes
    assert len(curves(alone)) == len(CRITERION)
    elsewhere = results.assign(encoder_id=results["encoder_id"].where(~probes, "another"))
    elsewhere.attrs = dict(results.attrs)
    assert len(draw_figure("cld-weight", elsewhere).axes) == 1


def test_probes_of_the_default_variant_count_for_every_network(results: pd.DataFrame) -> None:
    probes = results["metric"] == "knn_top1"
    plain = results.assign(variant=results["variant"].where(~probes, "default"))
    plain.attrs = dict(results.attrs)
    assert curves(draw_figure("cld-weight", plain).axes[1]) == [pytest.approx([0.8, 0.9, 0.7])]


def test_the_default_counts_where_a_variant_repeats_it(results: pd.DataFrame) -> None:
    repeated = results.replace({"variant": {"weight-4": "weight-1"}})
    repeated.attrs = dict(results.attrs)
    figure = draw_figure("cld-weight", repeated)
    assert ticks(figure.axes[0]) == ["0.25", "1\ndefault"]
    assert curves(figure.axes[1]) == [pytest.approx([0.8, 0.9])]


def test_nothing_is_drawn_of_one_value_or_without_criteria(results: pd.DataFrame) -> None:
    with pytest.raises(UserError, match="criteria of two views of k-means of variants weight-"):
        draw_figure("cld-weight", results[~results["metric"].isin(CRITERION)])
    one = results[results["variant"] == "weight-4"]
    with pytest.raises(UserError, match="one value of weight"):
        draw_figure("cld-weight", one)
