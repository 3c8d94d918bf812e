from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits as load_with_sklearn

from clusterprobe.images import digits
from clusterprobe.images.digits import DigitsSource, list_digits, load_digits


def test_images_are_those_of_scikit_learn_on_the_scale_of_a_byte():
    values, labels = load_digits()
    expected = load_with_sklearn()
    np.testing.assert_array_equal(values, np.rint(expected.images * 255 / 16))
    np.testing.assert_array_equal(labels, expected.target)
    assert values.max() == 255


def test_without_the_table_scikit_learn_is_asked(monkeypatch):
    table = load_digits()
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda name: None)
    for fast, slow in zip(table, load_digits.__wrapped__(), strict=True):
        np.testing.assert_array_equal(fast, slow)


def test_source_reads_grey_pictures_by_row():
    image = DigitsSource().read("7")
    assert (image.mode, image.size) == ("L", (8, 8))
    np.testing.assert_array_equal(np.asarray(image), load_digits()[0][7])


def test_split_is_stratified_and_fixed_by_the_seed():
    listed = list_digits({"test_fraction": 0.2, "split_seed": 0})
    assert {split: len(part.ids) for split, part in listed.splits.items()} == {"train": 1438, "test": 359}
    test = np.array(listed.splits["test"].names)
    sizes = np.bincount(load_digits()[1])
    assert [int((test == name).sum()) for name in listed.classes] == [round(size * 0.2) for size in sizes]
    assert listed.splits["test"].ids == list_digits({}).splits["test"].ids
    assert listed.splits["test"].ids != list_digits({"split_seed": 1}).splits["test"].ids
    assert not set(listed.splits["test"].ids) & set(listed.splits["train"].ids)


@pytest.mark.parametrize("split", ["train", "test"])
def test_ids_name_the_row(split):
    part = list_digits({}).splits[split]
    assert part.ids == [f"digit-{int(place):04d}" for place in part.locations]
    assert part.names == [str(load_digits()[1][int(place)]) for place in part.locations]
