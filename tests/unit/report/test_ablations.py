from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import FIGURES, draw_figure


def curves(axes: Axes) -> list[tuple[list[float], list[float]]]:
    lines = [(np.ravel(line.get_xdata()), np.ravel(line.get_ydata())) for line in axes.lines]
    return [([float(v) for v in x], [float(v) for v in y]) for x, y in lines]


def mean(results: pd.DataFrame, method: str, variant: str, metric: str = "acc") -> float:
    rows = results[(results["method"] == method) & (results["variant"] == variant)]
    return float(rows.loc[rows["metric"] == metric, "value"].mean())


def test_the_default_has_its_place_among_the_numbers_of_neighbours(scan_results: pd.DataFrame) -> None:
    scan_results.attrs["default_neighbours"] = 20
    figure = draw_figure("scan-neighbours", scan_results)
    line, oracle = curves(figure.axes[0])
    variants = ("neighbours-5", "neighbours-10", "default", "neighbours-50")
    assert line == (
        [0, 1, 2, 3],
        pytest.approx([mean(scan_results, "scan", variant) for variant in variants]),
    )
    assert oracle == ([2], pytest.approx([mean(scan_results, "scan", "oracle-neighbours")]))
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks == ["5", "10", "20\ndefault", "50"]


def test_a_default_of_unknown_number_stands_apart(scan_results: pd.DataFrame) -> None:
    figure = draw_figure("scan-neighbours", scan_results)
    assert [x for x, _ in curves(figure.axes[0])] == [[3], [0, 1, 2], [3]]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["SCAN, default", "SCAN", "oracle: false neighbours removed by label, default"]


def test_an_oracle_is_called_one(scan_results: pd.DataFrame) -> None:
    scan_results.attrs["default_neighbours"] = 20
    legend = [text.get_text() for text in draw_figure("scan-neighbours", scan_results).legends[0].get_texts()]
    assert legend == ["SCAN", "oracle: false neighbours removed by label"]
    assert "Oracle" in FIGURES["scan-neighbours"].caption
    plain = scan_results[scan_results["variant"] != "oracle-neighbours"]
    legend = [text.get_text() for text in draw_figure("scan-neighbours", plain).legends[0].get_texts()]
    assert legend == ["SCAN"]


def test_oracles_of_several_numbers_are_a_line_for_each_encoder(scan_results: pd.DataFrame) -> None:
    scan = scan_results[scan_results["method"] == "scan"]
    few = scan[scan["variant"] == "neighbours-5"].assign(variant="oracle-neighbours-5", run="few")
    other = pd.concat([scan, few]).assign(encoder="byol")
    both = pd.concat([scan_results, few, other])
    both.attrs["default_neighbours"] = 20
    legend = [text.get_text() for text in draw_figure("scan-neighbours", both).legends[0].get_texts()]
    oracle = "oracle: false neighbours removed by label"
    assert sorted(legend) == ["byol", f"byol, {oracle}", "simclr", f"simclr, {oracle}"]
    axes = draw_figure("scan-neighbours", both).axes[0]
    assert sorted(len(x) for x, _ in curves(axes)) == [2, 2, 4, 4]


def test_the_default_counts_where_a_variant_repeats_it(scan_results: pd.DataFrame) -> None:
    repeated = scan_results.replace({"variant": {"neighbours-50": "neighbours-20"}})
    repeated.attrs["default_neighbours"] = 20
    line, _ = curves(draw_figure("scan-neighbours", repeated).axes[0])
    assert line[1][2] == pytest.approx(mean(scan_results, "scan", "default"))


def test_thresholds_are_in_order_and_other_variants_left_out(scan_results: pd.DataFrame) -> None:
    scan_results.attrs["default_threshold"] = 0.99
    figure = draw_figure("scan-threshold", scan_results)
    ((x, y),) = curves(figure.axes[1])
    variants = ("threshold-0.9", "threshold-0.95", "default")
    assert y == pytest.approx([mean(scan_results, "selflabel", variant, "ari") for variant in variants])
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert (x, ticks) == ([0, 1, 2], ["0.9", "0.95", "0.99\ndefault"])


def test_runs_with_other_numbers_of_clusters_take_no_part(scan_results: pd.DataFrame) -> None:
    scan_results.attrs["default_threshold"] = 0.99
    doubled = scan_results["variant"] == "over-clustering"
    more = pd.concat([scan_results, scan_results[doubled].assign(variant="default", run="doubled")])
    more.attrs = dict(scan_results.attrs)
    for axes, wanted in zip(
        draw_figure("scan-threshold", more).axes,
        draw_figure("scan-threshold", scan_results).axes,
        strict=True,
    ):
        assert curves(axes) == curves(wanted)


@pytest.mark.parametrize(
    ("figure", "word"), [("scan-neighbours", "neighbours"), ("scan-threshold", "threshold")]
)
def test_a_default_alone_is_no_ablation(figure: str, word: str, scan_results: pd.DataFrame) -> None:
    default = scan_results[scan_results["variant"] == "default"]
    with pytest.raises(UserError, match=f"nothing to draw: the results hold no variants {word}"):
        draw_figure(figure, default)
    one = scan_results[scan_results["variant"].str.startswith(f"{word}-")]
    one = one[one["variant"] == one["variant"].iloc[0]]
    with pytest.raises(UserError, match=f"one value of {word}"):
        draw_figure(figure, one)


def test_defaults_of_mmdc_stand_where_its_options_have_them(mmdc_results: pd.DataFrame) -> None:
    for name, ticks, variants in (
        ("mmdc-sigma", ["0\ndefault", "0.1", "0.3"], ("default", "sigma-0.1", "sigma-0.3")),
        ("mmdc-views", ["1\ndefault", "2"], ("default", "views-2")),
    ):
        axes = draw_figure(name, mmdc_results).axes[0]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ticks
        expected = [mean(mmdc_results, "mmdc", variant) for variant in variants]
        assert curves(axes) == [(list(range(len(ticks))), pytest.approx(expected))]
    axes = draw_figure("mmdc-dimensions", mmdc_results).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["5", "20", "default"]


def test_the_course_of_mmdc_leaves_sweeps_and_losses_of_two_tasks_out() -> None:
    rows = [
        (variant, 0, epoch, name, 1 / epoch)
        for variant in ("default", "sobel", "sigma-0.1")
        for epoch in (1, 2)
        for name in ("loss", "squared_distance", "rotation_accuracy")
    ]
    frame = pd.DataFrame(rows, columns=["encoder", "encoder_seed", "epoch", "name", "value"])
    figure = draw_figure("mmdc-training", frame)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["default", "sobel"]
    shown = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert shown == ["squared distance", "rotation accuracy"]
    with pytest.raises(UserError, match="no run of mmdc"):
        draw_figure("mmdc-training", frame[frame["encoder"] == "sigma-0.1"])
