from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure


def histories(objective: bool = True) -> pd.DataFrame:
    rows = []
    for encoder, name in (("simclr", "simclr"), ("scan", "scan"), ("scan-50", "scan")):
        for seed in range(3):
            for epoch in (1, 2, 3):
                logged = {"loss": epoch + seed, "learning_rate": 0.1}
                if name == "scan":
                    logged |= {"entropy/0": epoch, "entropy/1": epoch + 2, "clusters_used": 10}
                    logged |= {"chosen_head": seed}
                rows += [(encoder, seed, name, epoch, word, value) for word, value in logged.items()]
    frame = pd.DataFrame(rows, columns=["encoder", "encoder_seed", "objective", "epoch", "name", "value"])
    return frame if objective else frame.drop(columns="objective")


def test_objectives_have_panels_of_their_own() -> None:
    figure = draw_figure("training-curves", histories())
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()]
    assert titles == ["simclr: loss", "scan: loss", "scan: entropy", "scan: clusters used"]
    assert [len(axes.lines) for axes in figure.axes if axes.get_visible()] == [1, 2, 2, 2]


def test_without_objectives_encoders_share_the_panel_of_a_name() -> None:
    figure = draw_figure("training-curves", histories(objective=False))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "entropy", "clusters used"]
    assert len(figure.axes[0].lines) == 3


def test_lines_are_means_over_seeds_with_their_spread() -> None:
    axes = draw_figure("training-curves", histories()).axes[0]
    assert list(np.ravel(axes.lines[0].get_ydata())) == [2, 3, 4]
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]  # type: ignore[index]
    assert (heights.min(), heights.max()) == pytest.approx((1, 5))


def test_heads_are_averaged_and_are_no_spread() -> None:
    axes = draw_figure("training-curves", histories()).axes[2]
    assert list(np.ravel(axes.lines[0].get_ydata())) == [2, 3, 4]
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]  # type: ignore[index]
    assert (heights.min(), heights.max()) == pytest.approx((2, 4))


def test_seeds_that_stopped_early_leave_the_others() -> None:
    frame = histories()
    shorter = frame[~((frame["encoder_seed"] == 0) & (frame["epoch"] == 3))]
    axes = draw_figure("training-curves", shorter).axes[0]
    assert list(np.ravel(axes.lines[0].get_ydata())) == [2, 3, 4.5]


def test_missing_and_empty_histories_are_errors() -> None:
    with pytest.raises(UserError, match="no training left a history"):
        draw_figure("training-curves", histories().head(0))
    with pytest.raises(UserError, match=r"lack \['epoch'\]"):
        draw_figure("training-curves", histories().drop(columns="epoch"))
    with pytest.raises(UserError, match="no finite value"):
        draw_figure("training-curves", histories().assign(value=np.nan))
