from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.report.figures import FIGURES, draw_figure

ANIMALS = {"cat": "animal", "dog": "animal", "car": "vehicle", "bus": "vehicle"}


def counts(names: list[str]) -> pd.DataFrame:
    """Every class is confused with the others of its superclass only."""
    values = [
        [5 if row == column else 2 if ANIMALS.get(row) == ANIMALS.get(column) else 0 for column in names]
        for row in names
    ]
    return pd.DataFrame(values, index=pd.Index(names), columns=pd.Index(names))


def test_superclasses_make_blocks() -> None:
    frame = counts(["cat", "car", "dog", "bus"])
    frame.attrs["superclasses"] = ANIMALS
    axes = draw_figure("confusion", frame).axes[0]
    shown = np.asarray(axes.images[0].get_array())
    assert not shown[:2, 2:].any()
    assert not shown[2:, :2].any()
    assert (shown[:2, :2] > 0).all()
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "dog", "car", "bus"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cat", "dog", "car", "bus"]
    assert [tick.get_text() for tick in axes.child_axes[0].get_yticklabels()] == ["animal", "vehicle"]
    assert [patch.get_bbox().bounds for patch in axes.patches] == [(-0.5, -0.5, 2, 2), (1.5, 1.5, 2, 2)]  # type: ignore[attr-defined]


def test_without_superclasses_the_order_stays() -> None:
    axes = draw_figure("confusion", counts(["cat", "car", "dog", "bus"])).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "car", "dog", "bus"]
    assert not axes.patches


def test_classes_without_a_superclass_come_last() -> None:
    frame = counts(["tree", "car", "cat"])
    frame.attrs["superclasses"] = ANIMALS
    axes = draw_figure("confusion", frame).axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cat", "car", "tree"]
    names = [tick.get_text() for tick in axes.child_axes[0].get_yticklabels()]
    assert names == ["animal", "vehicle", "other"]


def test_a_grouping_of_other_classes_is_an_error() -> None:
    frame = counts(["tree", "house"])
    frame.attrs["superclasses"] = ANIMALS
    with pytest.raises(UserError, match="names none of the classes"):
        draw_figure("confusion", frame)


def test_of_many_classes_the_superclasses_are_named() -> None:
    names = [f"class {number}" for number in range(60)]
    frame = pd.DataFrame(np.eye(60), index=pd.Index(names), columns=pd.Index(names))
    frame.attrs["superclasses"] = {name: f"group {number % 3}" for number, name in enumerate(names)}
    axes = draw_figure("confusion", frame).axes[0]
    assert not axes.get_yticklabels()
    assert len(axes.child_axes[0].get_yticklabels()) == 3


@pytest.mark.parametrize("method", ["kmeans", "scan", "selflabel"])
def test_every_method_has_a_confusion_under_its_title(method: str) -> None:
    frame = counts(["cat", "car"])
    frame.attrs["title"] = "SCAN, pictures"
    assert draw_figure(f"confusion-{method}", frame).axes[0].get_title(loc="left") == "SCAN, pictures"
    words = {"kmeans": "k-means.", "scan": "SCAN.", "selflabel": "self-labelling."}[method]
    assert FIGURES[f"confusion-{method}"].caption.startswith(words)


@pytest.mark.parametrize(("classes", "annotated"), [(15, True), (16, False)])
def test_confusion_is_annotated_up_to_fifteen_classes(classes: int, annotated: bool) -> None:
    figure = draw_figure("confusion", pd.DataFrame(np.diag(np.arange(1, classes + 1))))
    assert (len(figure.axes[0].texts) == classes) is annotated
    assert bool(figure.axes[0].texts) is annotated


def test_counts_without_an_image_are_an_error() -> None:
    with pytest.raises(UserError, match="no image"):
        draw_figure("confusion", pd.DataFrame(np.zeros((3, 3))))


def test_rows_are_the_images_and_add_up_however_many_there_are() -> None:
    """An unbalanced set tells the axes apart: the shares are those of the images of a class."""
    frame = pd.DataFrame([[90, 10], [2, 2]], index=pd.Index(["cat", "car"]), columns=pd.Index(["cat", "car"]))
    axes = draw_figure("confusion", frame).axes[0]
    np.testing.assert_allclose(np.asarray(axes.images[0].get_array()), [[0.9, 0.1], [0.5, 0.5]])
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("class of the image", "class of the cluster")


def test_superclasses_are_summed_to_a_matrix_of_their_own() -> None:
    frame = counts(["cat", "car", "tree", "dog"])
    frame.loc["tree", "dog"] = 5
    frame.attrs = {"superclasses": ANIMALS, "title": "SCAN"}
    axes = draw_figure("superclass-confusion", frame).axes[0]
    shown = np.asarray(axes.images[0].get_array())
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["animal", "vehicle", "other"]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["animal", "vehicle", "other"]
    np.testing.assert_allclose(shown, [[1, 0, 0], [0, 1, 0], [0.5, 0, 0.5]])
    assert axes.get_ylabel() == "superclass of the image"


def test_without_superclasses_there_is_no_matrix_of_them() -> None:
    with pytest.raises(UserError, match="give the data set its `superclasses`"):
        draw_figure("superclass-confusion", counts(["cat", "dog"]))
