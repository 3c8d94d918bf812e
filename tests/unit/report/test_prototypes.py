from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import draw_figure


def clusters(count: int, empty: int = -1) -> pd.DataFrame:
    images = [None if k == empty else np.full((8, 8), k, dtype=np.uint8) for k in range(count)]
    names = [f"class {k}" for k in range(count)]
    return pd.DataFrame({"cluster": range(count), "image": images, "name": names})


def test_every_cluster_shows_its_own_image_under_its_number_and_class() -> None:
    figure = draw_figure("prototypes", clusters(12))
    shown = [axes for axes in figure.axes if axes.images]
    assert [int(np.asarray(axes.images[0].get_array())[0, 0]) for axes in shown] == list(range(12))
    assert shown[11].get_title() == "11\nclass 11"


def test_an_empty_cluster_has_an_empty_place() -> None:
    axes = draw_figure("prototypes", clusters(3, empty=1)).axes
    assert [len(axis.images) for axis in axes] == [1, 0, 1]
    assert axes[1].texts[0].get_text() == "empty"
    assert axes[1].get_title() == "1\nclass 1"


def test_colour_images_names_and_titles_are_optional() -> None:
    frame = pd.DataFrame({"cluster": [4], "image": [np.zeros((6, 5, 3), dtype=np.uint8)]})
    figure = draw_figure("prototypes", frame)
    assert figure.axes[0].get_title() == "4"
    assert figure.get_suptitle() == ""
    frame.attrs["title"] = "SCAN"
    assert draw_figure("prototypes", frame).get_suptitle() == "SCAN"


def test_nothing_to_draw_and_other_pixels_are_errors() -> None:
    with pytest.raises(UserError, match="no clusters"):
        draw_figure("prototypes", clusters(0))
    with pytest.raises(ValueError, match="uint8"):
        draw_figure("prototypes", pd.DataFrame({"cluster": [0], "image": [np.zeros((8, 8))]}))
