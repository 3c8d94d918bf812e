from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.parquet_files import ParquetSource, list_parquet


def png(value: int, side: int = 2) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (side, side), value).save(buffer, "PNG")
    return buffer.getvalue()


def write(path: Path, count: int = 3, row_group: int = 2, **columns: object) -> Path:
    table = {
        "id": [f"image-{row}" for row in range(count)],
        "image": [png(row) for row in range(count)],
        **columns,
    }
    pq.write_table(
        pa.table({name: values for name, values in table.items() if values is not None}),
        path,
        row_group_size=row_group,
    )
    return path


def listed(path: Path, **options: object):
    return list_parquet({"kind": "parquet", "splits": {"train": str(path)}, **options})


def labels(dataset) -> list[int]:
    return dataset.splits["train"].labels(dataset.classes).tolist()


def test_a_dictionary_of_classes_is_ordered_by_label(tmp_path):
    classes = pa.array(["zebra", "ant", "zebra"]).dictionary_encode()
    path = write(tmp_path / "a.parquet", label=pa.array([0, 5, 0], pa.int16()), **{"class": classes})
    dataset = listed(path)
    assert dataset.classes == ("zebra", "ant")
    assert labels(dataset) == [0, 1, 0]
    assert dataset.splits["train"].locations == ["0", "1", "2"]
    assert dataset.record == {"kind": "parquet", "splits": {"train": str(path)}}


@pytest.mark.parametrize(
    ("columns", "options", "classes", "expected"),
    [
        ({}, {}, (), [-1, -1, -1]),
        ({"label": [10, 2, None]}, {}, ("2", "10"), [1, 0, -1]),
        ({"label": [1, -1, 0]}, {"class_names": ["b", "a", "unused"]}, ("b", "a", "unused"), [1, -1, 0]),
        ({"label": ["b", "a", None]}, {}, ("a", "b"), [1, 0, -1]),
        ({"label": ["b", "a", None]}, {"class_names": ["b", "a"]}, ("b", "a"), [0, 1, -1]),
        ({"class": ["b", "a", None]}, {}, ("a", "b"), [1, 0, -1]),
        ({"class": ["b", "a", None]}, {"class_names": ["b", "a"]}, ("b", "a"), [0, 1, -1]),
    ],
)
def test_labels_come_as_numbers_text_or_class_names(tmp_path, columns, options, classes, expected):
    dataset = listed(write(tmp_path / "a.parquet", **columns), **options)
    assert dataset.classes == classes
    assert labels(dataset) == expected


def test_splits_agree_by_name_though_their_numbers_differ(tmp_path):
    train = write(tmp_path / "a.parquet", label=[0, 1, 1], **{"class": ["cat", "dog", "dog"]})
    test = write(tmp_path / "b.parquet", label=[0, 1, 1], **{"class": ["dog", "cat", "cat"]})
    dataset = list_parquet({"splits": {"train": train, "test": test}})
    assert dataset.splits["test"].labels(dataset.classes).tolist() == [1, 0, 0]


@pytest.mark.parametrize("label", [2, -2, "cow"])
def test_a_label_outside_class_names_is_named_with_its_image(tmp_path, label):
    path = write(tmp_path / "a.parquet", count=1, label=[label])
    with pytest.raises(UserError, match=rf"do not fit.*'image-0' of {path} has label {label!r}"):
        listed(path, class_names=["cat", "dog"])


@pytest.mark.parametrize("classes", [["cat", "dog", "cow"], ["cat", "cat", "cat"]])
def test_labels_and_classes_must_not_contradict_each_other(tmp_path, classes):
    path = write(tmp_path / "a.parquet", label=[0, 0, 1], **{"class": classes})
    with pytest.raises(UserError, match=rf"{path}: label \d and class '\w+' of image 'image-\d' contradict"):
        listed(path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": None}, r"no column 'id'; wanted: id .*; there are: image \(binary\)"),
        ({"image": None, "picture": [b""] * 3}, r"no column 'image'; .*picture \(binary\)"),
        ({"image": ["text"] * 3}, r"wrong type of column 'image'; .*image \(string\)"),
        ({"label": [0.5] * 3}, r"wrong type of column 'label'; .*label \(double\)"),
        ({"class": [1] * 3}, r"wrong type of column 'class'; .*class \(int64\)"),
        ({"id": ["a", None, "b"]}, r"row 1 has no id"),
    ],
)
def test_wrong_columns_are_named_with_what_is_there(tmp_path, columns, message):
    path = write(tmp_path / "a.parquet", **columns)
    with pytest.raises(UserError, match=rf"{path}.*{message}"):
        listed(path)


def test_wrong_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"split 'train': .*absent\.parquet does not exist"):
        listed(tmp_path / "absent.parquet")
    (tmp_path / "text.parquet").write_text("not parquet at all")
    with pytest.raises(UserError, match=r"text\.parquet is not a readable parquet file"):
        listed(tmp_path / "text.parquet")
    nothing = {"id": pa.array([], pa.string()), "image": pa.array([], pa.binary())}
    empty = write(tmp_path / "empty.parquet", **nothing)
    with pytest.raises(UserError, match=r"empty\.parquet holds no row"):
        listed(empty)
    with pytest.raises(UserError, match="needs 'splits'"):
        list_parquet({"kind": "parquet"})


def values(source: ParquetSource, rows: Sequence[int]) -> list[int]:
    return [int(np.asarray(source.read(str(row)))[0, 0]) for row in rows]


def test_rows_are_found_across_row_groups_in_any_order(tmp_path):
    source = ParquetSource(write(tmp_path / "a.parquet", count=7, row_group=3))
    assert values(source, [6, 0, 3, 2, 5]) == [6, 0, 3, 2, 5]
    for row in (7, -1):
        with pytest.raises(UserError, match=rf"a\.parquet, row {row} does not exist"):
            source.read(str(row))


def test_memory_is_bounded_by_the_cache(tmp_path):
    path = write(tmp_path / "a.parquet", count=8, row_group=2)
    small, large = ParquetSource(path, cache_bytes=1), ParquetSource(path)
    for source in (small, large):
        assert values(source, range(8)) == list(range(8))
    assert len(small._columns) == 1
    assert len(large._columns) == 4


def test_row_groups_in_the_cache_are_not_read_again(tmp_path, monkeypatch):
    source = ParquetSource(write(tmp_path / "a.parquet", count=4, row_group=2))
    values(source, range(4))
    monkeypatch.setattr(source, "_file", object())
    assert values(source, [3, 0]) == [3, 0]


def test_source_is_picklable_once_used_and_shared_by_threads(tmp_path):
    source = ParquetSource(write(tmp_path / "a.parquet", count=40, row_group=3), cache_bytes=1)
    values(source, [0])
    copy = pickle.loads(pickle.dumps(source))
    assert (copy.path, copy.cache_bytes) == (source.path, 1)
    rows = list(np.random.default_rng(0).permutation(40)) * 3
    with ThreadPoolExecutor(4) as pool:
        assert [found for [found] in pool.map(lambda row: values(copy, [row]), rows)] == rows


def test_a_null_image_and_a_changed_image_are_named(tmp_path):
    source = ParquetSource(write(tmp_path / "a.parquet", count=2, image=[None, png(1)]))
    with pytest.raises(UserError, match=r"a\.parquet, row 0: is null"):
        source.read("0")
    with pytest.raises(UserError, match=r"a\.parquet, row 1 changed since it was indexed"):
        source.read_verified("1", "0" * 64)


def test_a_damaged_row_group_is_named(tmp_path):
    path = write(tmp_path / "a.parquet", count=40, image=[png(row, side=64) for row in range(40)])
    data = bytearray(path.read_bytes())
    data[100 : len(data) // 2] = bytes(len(data) // 2 - 100)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a\.parquet, row"):
        values(ParquetSource(path), range(20))
