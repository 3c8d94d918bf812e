from __future__ import annotations

import pytest

from clusterprobe.config.errors import UserError
from clusterprobe.images.label_maps import LabelMap, load_label_map

DIGITS = [str(digit) for digit in range(10)]
SHIFTED = ["0", "1", "2", "3", "5", "6 or 9", "7", "8"]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_map_joins_six_and_nine_and_leaves_out_four():
    indices = load_label_map("digits_to_shifted").indices(DIGITS, SHIFTED)
    assert indices.dtype == "int64"
    assert indices.tolist() == [0, 1, 2, 3, -1, 4, 5, 6, 7, 5]


def test_names_decide_not_positions():
    indices = load_label_map("digits_to_shifted").indices(DIGITS[::-1], SHIFTED[::-1])
    by_name = {
        name: SHIFTED[::-1][index] for name, index in zip(DIGITS[::-1], indices, strict=True) if index >= 0
    }
    assert by_name == {name: name for name in "0123578"} | {"6": "6 or 9", "9": "6 or 9"}


def test_a_class_that_the_map_does_not_name_has_no_counterpart():
    assert LabelMap("m", {"cat": "feline"}).indices(["dog", "cat"], ["feline"]).tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"catt": "feline"}, r"'catt' is no source class; did you mean 'cat'"),
        ({"cat": "felin"}, r"'felin' is no target class; did you mean 'feline'"),
    ],
)
def test_unknown_names_are_errors_with_the_nearest_choice(pairs, message):
    with pytest.raises(UserError, match=f"label map m: {message}"):
        LabelMap("m", pairs).indices(["cat"], ["feline"])


def test_a_map_of_ones_own_is_read_by_path(tmp_path):
    path = write(tmp_path / "own.csv", 'source_class,target_class\n"a, b",c\nd,\n')
    assert load_label_map(path) == LabelMap("own", {"a, b": "c"})


def test_bad_maps_are_named(tmp_path):
    with pytest.raises(UserError, match=r"'digits_to_shiftd'.*did you mean 'digits_to_shifted'"):
        load_label_map("digits_to_shiftd")
    with pytest.raises(UserError, match=r"absent\.csv does not exist"):
        load_label_map(tmp_path / "absent.csv")
    with pytest.raises(UserError, match=r"columns\.csv has the columns \['from', 'to'\]"):
        load_label_map(write(tmp_path / "columns.csv", "from,to\na,b\n"))
    with pytest.raises(UserError, match=r"twice\.csv names the source class 'a' twice"):
        load_label_map(write(tmp_path / "twice.csv", "source_class,target_class\na,b\na,c\n"))
