from __future__ import annotations

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clusterprobe.config.errors import UserError
from clusterprobe.images.manifest import Manifest, read_manifest, write_manifest


def manifest(**changes: object) -> Manifest:
    fields: dict[str, object] = {
        "ids": ("cat/1.png", "dog/2.png", "ünlabelled.png"),
        "locations": ("cat/1.png", "dog/2.png", "ünlabelled.png"),
        "labels": np.array([0, 2, -1]),
        "classes": ("cat", "cow", "dog"),
        "sha256": ("aa", "bb", "cc"),
    }
    return Manifest(**{**fields, **changes})


def test_round_trip_keeps_everything_even_a_class_without_images(tmp_path):
    write_manifest(tmp_path / "train.parquet", manifest())
    back = read_manifest(tmp_path / "train.parquet")
    for field in dataclasses.fields(Manifest):
        np.testing.assert_array_equal(getattr(back, field.name), getattr(manifest(), field.name))
    assert back.labels.dtype == np.int64
    assert back.content == manifest().content
    assert len(back) == 3


def test_columns_are_plain_and_nulls_stand_for_no_label(tmp_path):
    write_manifest(tmp_path / "train.parquet", manifest())
    table = pq.read_table(tmp_path / "train.parquet")
    assert table.schema.names == ["id", "location", "label", "class", "sha256"]
    assert table["label"].to_pylist() == [0, 2, None]
    assert table["class"].to_pylist() == ["cat", "dog", None]


def test_an_unlabelled_manifest_has_no_classes(tmp_path):
    write_manifest(tmp_path / "train.parquet", manifest(labels=np.full(3, -1), classes=()))
    back = read_manifest(tmp_path / "train.parquet")
    assert back.classes == ()
    assert back.labels.tolist() == [-1, -1, -1]


def test_several_classes_of_an_image_are_a_column_of_their_own(tmp_path):
    shown = np.array([[1, 0, -1], [0, 1, 1], [0, 0, 0]], dtype=np.int8)
    write_manifest(tmp_path / "train.parquet", manifest(labels=np.full(3, -1), shown=shown))
    assert pq.read_table(tmp_path / "train.parquet").schema.names[-1] == "shown"
    back = read_manifest(tmp_path / "train.parquet")
    assert back.shown.dtype == np.int8
    np.testing.assert_array_equal(back.shown, shown)
    assert back.classes == manifest().classes
    assert back.content == manifest().content
    with pytest.raises(ValueError, match="for 3 classes"):
        manifest(shown=shown[:, :2])


def test_equal_manifests_give_equal_bytes(tmp_path):
    for name in "ab":
        write_manifest(tmp_path / name, manifest())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_content_follows_ids_images_and_order_and_nothing_else():
    contents = {
        manifest().content,
        manifest(ids=("cat/1.png", "dog/3.png", "ünlabelled.png")).content,
        manifest(sha256=("aa", "bb", "cd")).content,
        manifest(sha256=("bb", "aa", "cc")).content,
    }
    assert len(contents) == 4
    assert manifest(locations=("x", "y", "z"), labels=np.full(3, -1)).content == manifest().content


@given(
    st.lists(st.text(), min_size=3, max_size=3, unique=True), st.lists(st.text("ab "), min_size=3, max_size=3)
)
def test_content_cannot_confuse_ids_with_hashes(ids, hashes):
    shifted = manifest(
        ids=tuple(f"{name} {code}" for name, code in zip(ids, hashes, strict=True)), sha256=("",) * 3
    )
    assert shifted.content != manifest(ids=tuple(ids), sha256=tuple(f"{code}x" for code in hashes)).content


def test_duplicate_ids_are_named():
    with pytest.raises(UserError, match=r"duplicate ids.*'b'; ") as caught:
        manifest(ids=("b", "a", "b"))
    assert "'a'" not in str(caught.value)


@pytest.mark.parametrize("label", [3, -2])
def test_a_label_outside_the_classes_is_named_with_its_image(label):
    with pytest.raises(UserError, match=rf"do not fit the 3 classes: image 'dog/2.png' has label {label} "):
        manifest(labels=np.array([0, label, -1]))


def test_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        manifest(sha256=("aa",))


def test_missing_damaged_and_foreign_files_are_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.parquet is missing"):
        read_manifest(tmp_path / "absent.parquet")
    (tmp_path / "damaged.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(UserError, match=r"damaged\.parquet is damaged"):
        read_manifest(tmp_path / "damaged.parquet")
    pq.write_table(pa.table({"other": [1]}), tmp_path / "foreign.parquet")
    with pytest.raises(UserError, match=r"foreign\.parquet is not a manifest.*other"):
        read_manifest(tmp_path / "foreign.parquet")
