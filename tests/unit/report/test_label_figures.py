from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure


def entropies() -> pd.DataFrame:
    values = np.linspace(0, 2, 12)
    return pd.DataFrame({"encoder": ["one"] * 6 + ["two"] * 6, "entropy": values})


def test_shares_of_clusters_sum_to_one_and_the_mean_is_marked():
    figure = draw_figure("sela-label-entropy", entropies())
    (axis,) = figure.axes
    for patch in axis.patches:
        assert patch.get_data().values.sum() == pytest.approx(1)
    means = [line.get_xdata()[0] for line in axis.lines]
    assert means == pytest.approx(entropies().groupby("encoder")["entropy"].mean().tolist())


def test_agreement_has_a_panel_for_each_comparison_and_means_over_seeds():
    rows = [
        {"encoder": "sela", "encoder_seed": seed, "relabelling": number, "against": against, "value": value}
        for seed in (0, 1)
        for against in ("classes", "labels before")
        for number, value in ((1, 0.2 + 0.1 * seed), (3, 0.6))
    ]
    figure = draw_figure("sela-agreement", pd.DataFrame(rows))
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["with the classes", "with the labels before"]
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [1, 3]
    assert line.get_ydata().tolist() == pytest.approx([0.25, 0.6])


def test_every_filter_has_a_picture():
    images = [np.full((3, 3), 10 * number, dtype=np.uint8) for number in range(18)]
    frame = pd.DataFrame({"image": pd.Series(images, dtype=object)})
    figure = draw_figure("first-filters", frame)
    shown = [axis.images[0].get_array()[0, 0] for axis in figure.axes if axis.images]
    assert shown == [10 * number for number in range(18)]


@pytest.mark.parametrize("name", ["sela-label-entropy", "sela-agreement", "first-filters"])
def test_nothing_is_not_drawn(name):
    with pytest.raises(UserError, match="nothing to draw"):
        draw_figure(name, pd.DataFrame({"encoder": [], "entropy": [], "image": [], "against": []}))
