"""Figures 1 and 2 of the benchmark, beside its points."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy.stats import linregress

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure
from clusterprobe.report.panels import panels
from clusterprobe.report.point_labels import NamedPoint, label_points
from clusterprobe.report.regression import least_squares


def legend(figure: Figure) -> str:
    return "; ".join(text.get_text() for text in figure.legends[0].get_texts())


def points(figure: Figure) -> dict[str, tuple[float, float]]:
    """Return what is written at points, and where; of equal names the first, as ours come first."""
    found: dict[str, tuple[float, float]] = {}
    for text in figure.axes[0].texts:
        found.setdefault(text.get_text(), text.xy)  # type: ignore[attr-defined]
    return found


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=20))
def test_the_line_is_that_of_scipy(pairs: list[tuple[float, float]]) -> None:
    x, y = (np.round(np.array(values), 3) for values in zip(*pairs, strict=True))
    fit = least_squares(x, y)
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert fit is None
        return
    expected = linregress(x, y)
    assert fit is not None
    assert fit.slope == pytest.approx(expected.slope, abs=1e-9)
    assert fit.intercept == pytest.approx(expected.intercept, abs=1e-9)
    assert fit.r_squared == pytest.approx(expected.rvalue**2, abs=1e-9)
    assert fit.slope_error == pytest.approx(expected.stderr, abs=1e-6)


def test_two_points_are_no_line() -> None:
    assert least_squares(np.array([0.0, 1.0]), np.array([0.0, 1.0])) is None


def test_published_fits_come_out_of_the_published_points(benchmark_results: pd.DataFrame) -> None:
    """ACC = 2.402 linear - 145.4 over six encoders, ARI = 0.561 ACC - 1.26 over eight."""
    assert "published: slope 2.40 ± 0.28, R² 0.95 (2 left out)" in legend(
        draw_figure("kmeans-figure-1a", benchmark_results)
    )
    assert "published: slope 0.56 ± 0.06, R² 0.94;" in legend(
        draw_figure("kmeans-figure-1b", benchmark_results)
    )


@pytest.mark.parametrize("name", ["kmeans-figure-1a", "kmeans-figure-1b"])
def test_on_another_set_there_are_no_published_points(name: str, benchmark_results: pd.DataFrame) -> None:
    benchmark_results.attrs["published_as"] = {}
    words = legend(draw_figure(name, benchmark_results))
    assert "; published: " not in f"; {words}"
    assert "clean: slope" in words


def test_a_measured_linear_accuracy_takes_the_place_of_a_quoted_one(benchmark_results: pd.DataFrame) -> None:
    figure = draw_figure("kmeans-figure-1a", benchmark_results)
    found = points(figure)
    assert found["InfoMin (ResNet-50)"][0] == pytest.approx(0.66)
    assert found["DINO (ViT-S/16)"][0] == pytest.approx(0.77)
    assert found["BigBiGAN (RevNet-50 4×, latent)"][0] == pytest.approx(0.35)
    assert "filled: x was measured here" in legend(figure)
    joined = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    ends = [sorted(map(float, line.get_xdata())) for line in joined]  # type: ignore[arg-type]
    assert pytest.approx([0.66, 0.73]) in ends, "from what was measured to what is quoted"
    assert not any("supervised" in name for name in found)
    quoted = benchmark_results[benchmark_results["metric"] != "linear_top1"]
    quoted.attrs = benchmark_results.attrs
    figure = draw_figure("kmeans-figure-1a", quoted)
    assert points(figure)["InfoMin (ResNet-50)"][0] == pytest.approx(0.73)
    assert "measured" not in legend(figure)


def test_names_stand_where_there_is_room() -> None:
    figure, axes = panels(1, 1, 4.0, 3.0)
    axes[0, 0].set(xlim=(0, 1), ylim=(0, 1))
    apart = [NamedPoint(0.2 * n, 0.2 * n, f"encoder {n}", "k") for n in range(1, 5)]
    crowd = [NamedPoint(0.5, 0.9 + 0.0001 * n, f"twin {n}", "k") for n in range(30)]
    written = label_points(axes[0, 0], [*apart, *crowd], 3.4, 2.4)
    assert written[:4] == [point.name for point in apart]
    assert 1 <= len(written) - 4 < 30
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes[0, 0].texts]
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[:number])


@pytest.mark.parametrize(("name", "count"), [("kmeans-figure-2a", 8), ("kmeans-figure-2b", 9)])
def test_sweeps_stand_beside_the_published_points(
    name: str, count: int, benchmark_results: pd.DataFrame
) -> None:
    lines = {line.get_label(): line for line in draw_figure(name, benchmark_results).axes[0].lines}
    sizes = sorted(len(line.get_xdata()) for line in lines.values())  # type: ignore[arg-type]
    assert sizes == sorted([count, 4 if name.endswith("a") else 3])
    benchmark_results.attrs["published_as"] = {}
    assert len(draw_figure(name, benchmark_results).axes[0].lines) == 1


@pytest.mark.parametrize("name", ["kmeans-figure-1a", "kmeans-figure-1b"])
def test_an_encoder_is_one_point_of_as_many_clusters_as_classes(
    name: str, benchmark_results: pd.DataFrame
) -> None:
    """Groups may ask for several numbers of clusters, or of components, without a variant."""
    before = points(draw_figure(name, benchmark_results))
    default = (benchmark_results["variant"] == "default") & (benchmark_results["dataset"] == "imagenet")
    default &= benchmark_results["k"].notna()
    twice = benchmark_results[default]
    twice = twice.assign(k=2000, run=twice["run"] + "-2000", value=twice["value"] / 2)
    rows = pd.concat([twice, benchmark_results], ignore_index=True)
    rows.attrs = benchmark_results.attrs
    with pytest.raises(UserError, match=r"several runs fit the point .* differ in k: give all but one"):
        draw_figure(name, rows)
    rows.attrs = benchmark_results.attrs | {"classes": {"imagenet": 1000}}
    assert points(draw_figure(name, rows)) == before
