from __future__ import annotations

import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clusterprobe.config.datasets import TarDataset
from clusterprobe.config.errors import UserError
from clusterprobe.config.stamps import location_stamp
from clusterprobe.images.sources import index_dataset, open_source
from clusterprobe.images.tar_files import TarSource, list_tar


def image(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (3, 3), grey).save(buffer, format="PNG")
    return buffer.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def write(path: Path, files: dict[str, bytes]) -> dict[str, object]:
    path.write_bytes(archive(files))
    return {"kind": "tar", "splits": {"train": str(path)}}


def greys(definition: dict[str, object]) -> list[int]:
    indexed = index_dataset(definition, "pictures")
    train = indexed.manifests["train"]
    source = pickle.loads(pickle.dumps(open_source(indexed.source, "train")))
    read = map(source.read_verified, train.locations, train.sha256)
    return [int(np.asarray(picture)[0, 0]) for picture in read]


def test_folders_are_classes_and_those_above_all_do_not_count(tmp_path):
    files = {
        "./set/train/dog/b.png": image(2),
        "./set/train/cat/a.png": image(1),
        "./set/train/dog/a.PNG": image(3),
    }
    definition = write(tmp_path / "x.tar", files | {"./set/train/dog/notes.txt": b"x", "./set/.c.png": b""})
    listed = list_tar(definition)
    assert listed.splits["train"].ids == ["cat/a.png", "dog/a.PNG", "dog/b.png"]
    assert listed.splits["train"].names == ["cat", "dog", "dog"]
    assert listed.classes == ("cat", "dog")
    assert greys(definition) == [1, 3, 2]


def test_names_may_be_absolute_and_the_last_of_two_counts(tmp_path):
    definition = write(tmp_path / "x.tar", {"/dog/a.png": image(1), "cat/a.png": image(2)})
    with tarfile.open(tmp_path / "x.tar", "a") as tar:
        member = tarfile.TarInfo("cat/a.png")
        member.size = len(image(3))
        tar.addfile(member, io.BytesIO(image(3)))
    assert list_tar(definition).splits["train"].ids == ["cat/a.png", "dog/a.png"]
    assert greys(definition) == [3, 1]


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    definition = write(tmp_path / "x.tar", {b"\xff.png".decode("utf-8", "surrogateescape"): image(1)})
    with pytest.raises(UserError, match="not valid UTF-8; rename"):
        list_tar(definition)


def test_archives_in_an_archive_are_classes(tmp_path):
    inner = {
        name: archive({f"{name}_{number}.png": image(number) for number in (1, 2)}) for name in ("n2", "n1")
    }
    definition = write(tmp_path / "x.tar", {f"{name}.tar": data for name, data in inner.items()})
    assert list_tar(definition).splits["train"].ids == [
        "n1/n1_1.png",
        "n1/n1_2.png",
        "n2/n2_1.png",
        "n2/n2_2.png",
    ]
    assert list_tar(definition).classes == ("n1", "n2")
    assert greys(definition) == [1, 2, 1, 2]


@pytest.mark.parametrize("names", [["a.png", "b.png"], ["all/a.png", "all/b.png"]])
def test_without_folders_there_are_no_classes(tmp_path, names):
    definition = write(tmp_path / "x.tar", {name: image(7) for name in names})
    assert list_tar(definition).splits["train"].ids == ["a.png", "b.png"]
    assert list_tar(definition).classes == ()
    assert greys(definition | {"labelled": False}) == [7, 7]


def test_what_is_no_plain_archive_is_refused(tmp_path):
    definition = write(tmp_path / "x.tar", {"notes.txt": b""})
    with pytest.raises(UserError, match="holds no image"):
        list_tar(definition)
    with tarfile.open(tmp_path / "x.tar", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a.png"))
    with pytest.raises(UserError, match=r"x\.tar is not a readable tar archive.*unpack it"):
        list_tar(definition)
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(UserError, match="not a readable tar archive"):
        list_tar(definition)
    with pytest.raises(UserError, match=r"'train'.*gone\.tar does not exist"):
        list_tar({"splits": {"train": str(tmp_path / "gone.tar")}})


def test_an_archive_that_was_cut_short_is_found_out(tmp_path):
    definition = write(tmp_path / "x.tar", {"a.png": image(1), "b.png": image(2)})
    [_, last] = list_tar(definition).splits["train"].locations
    first, _, size = last.partition("+")
    (tmp_path / "x.tar").write_bytes((tmp_path / "x.tar").read_bytes()[: int(first) + int(size) - 1])
    with pytest.raises(UserError, match=rf"x\.tar, bytes {first}\+{size}: lies beyond the end"):
        TarSource(tmp_path / "x.tar").fetch(last)
    with pytest.raises(UserError, match=r"gone.* cannot be read"):
        TarSource(tmp_path / "gone.tar").fetch("0+1")


def test_another_archive_changes_the_stamp(tmp_path):
    dataset = TarDataset(**write(tmp_path / "x.tar", {"a.png": image(1)}))
    before = location_stamp(dataset)
    write(tmp_path / "x.tar", {"a.png": image(1), "b.png": image(1) * 99})
    assert location_stamp(dataset) != before
