from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clusterprobe.config.errors import UserError
from clusterprobe.images.folders import FolderSource, divide, list_folder
from clusterprobe.images.listing import Listing


def tree(root: Path, *files: str) -> Path:
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (2, 2), len(file)).save(root / file)
    return root


def explicit(**splits: Path) -> dict[str, object]:
    return {"kind": "folder", "splits": {split: str(path) for split, path in splits.items()}}


def test_first_folder_is_the_class_and_the_order_is_sorted(tmp_path):
    tree(tmp_path, "dog/b.png", "dog/a.PNG", "cat/deep/er/c.jpeg", "loose.png")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    listed = list_folder(explicit(train=tmp_path))
    assert listed.splits["train"].ids == ["cat/deep/er/c.jpeg", "dog/a.PNG", "dog/b.png", "loose.png"]
    assert listed.splits["train"].names == ["cat", "dog", "dog", None]
    assert listed.classes == ("cat", "dog")


def test_a_flat_folder_is_unlabelled(tmp_path):
    listed = list_folder(explicit(train=tree(tmp_path, "1.png", "2.png")))
    assert listed.classes == ()
    assert listed.splits["train"].names == [None, None]


def test_hidden_files_and_folders_are_left_out(tmp_path):
    tree(tmp_path, "cat/1.png", "cat/.2.png", ".thumbnails/3.png")
    assert list_folder(explicit(train=tmp_path)).splits["train"].ids == ["cat/1.png"]


def test_links_are_followed_but_never_in_circles(tmp_path):
    elsewhere = tree(tmp_path / "elsewhere", "1.png")
    root = tree(tmp_path / "root", "cat/2.png")
    (root / "dog").symlink_to(elsewhere)
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "self").symlink_to(root / "cat")
    assert list_folder(explicit(train=root)).splits["train"].ids == ["cat/2.png", "dog/1.png"]


def test_a_pipe_with_the_name_of_an_image_is_not_opened(tmp_path):
    tree(tmp_path, "1.png")
    os.mkfifo(tmp_path / "pipe.png")
    assert list_folder(explicit(train=tmp_path)).splits["train"].ids == ["1.png"]


def test_one_path_is_divided_and_new_pictures_move_no_others(tmp_path):
    tree(tmp_path, *(f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(20)))
    definition = {"kind": "folder", "path": str(tmp_path), "test_fraction": 0.3, "split_seed": 1}
    before = {split: part.ids for split, part in list_folder(definition).splits.items()}
    assert len(before["train"]) + len(before["test"]) == 40
    tree(tmp_path, *(f"ant/{number}.png" for number in range(20)))
    after = {split: part.ids for split, part in list_folder(definition).splits.items()}
    for split, ids in before.items():
        assert set(ids) <= set(after[split])
    assert list_folder(definition).record["splits"] == {"train": str(tmp_path), "test": str(tmp_path)}


@given(st.sets(st.text("abc/", min_size=1), min_size=30), st.integers(0, 3))
def test_every_image_lands_in_exactly_one_split(ids, seed):
    names = sorted(ids)
    everything = Listing(FolderSource(Path()), names, names, [None] * len(names))
    splits = divide(everything, {"test_fraction": 0.5, "split_seed": seed}, "here")
    assert sorted([*splits["train"].ids, *splits["test"].ids]) == names


def test_without_a_test_fraction_everything_is_for_training(tmp_path):
    tree(tmp_path, "1.png")
    assert list(list_folder({"path": str(tmp_path), "test_fraction": 0.0}).splits) == ["train"]


def test_a_split_that_stays_empty_is_an_error(tmp_path):
    tree(tmp_path, "1.png")
    with pytest.raises(UserError, match=rf"{tmp_path}: none of its 1 images falls into the split"):
        list_folder({"path": str(tmp_path), "test_fraction": 0.2})


def test_classes_are_shared_by_name_between_splits(tmp_path):
    listed = list_folder(
        explicit(train=tree(tmp_path / "a", "cat/1.png", "dog/1.png"), test=tree(tmp_path / "b", "dog/1.png"))
    )
    assert listed.splits["test"].labels(listed.classes).tolist() == [1]


def test_a_test_class_that_training_does_not_know_is_an_error(tmp_path):
    listed = list_folder(
        explicit(train=tree(tmp_path / "a", "cat/1.png"), test=tree(tmp_path / "b", "cow/1.png"))
    )
    with pytest.raises(UserError, match=rf"labels that do not fit.*{tmp_path}/b/cow/1\.png.*'cow'"):
        listed.splits["test"].labels(listed.classes)


def test_unlabelled_training_images_leave_the_classes_to_the_test_split(tmp_path):
    listed = list_folder(
        explicit(train=tree(tmp_path / "a", "1.png"), test=tree(tmp_path / "b", "cow/1.png"))
    )
    assert listed.classes == ("cow",)


def test_wrong_places_are_named(tmp_path):
    with pytest.raises(UserError, match=r"split 'train': .*/nowhere does not exist"):
        list_folder(explicit(train=tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"/nowhere does not exist"):
        list_folder({"path": str(tmp_path / "nowhere")})
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty holds no image"):
        list_folder(explicit(train=tmp_path / "empty"))
    with pytest.raises(UserError, match=r"1\.png is not a folder"):
        list_folder(explicit(train=tree(tmp_path, "1.png") / "1.png"))
    with pytest.raises(UserError, match="either 'path' or 'splits'"):
        list_folder({"kind": "folder"})


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    tree(tmp_path, "secret/1.png")
    listing = Path.iterdir

    def refuse(folder: Path):
        if folder.name == "secret":
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UserError, match=r"secret cannot be listed \(Permission denied\)"):
        list_folder(explicit(train=tmp_path))


def test_a_file_name_that_is_no_text_is_an_error(tmp_path):
    tree(tmp_path, "1.png")
    os.rename(tmp_path / "1.png", os.fsencode(tmp_path) + b"/\xff.png")  # noqa: PTH104 - bytes
    with pytest.raises(UserError, match=r"udcff\.png' is not valid UTF-8"):
        list_folder(explicit(train=tmp_path))


def test_a_file_that_is_gone_is_named_when_it_is_read(tmp_path):
    with pytest.raises(UserError, match=rf"{tmp_path}/gone\.png: cannot be read \(No such file"):
        FolderSource(tmp_path).read("gone.png")
