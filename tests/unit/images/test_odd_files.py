"""Everything that real folders hold: pictures are used, the rest is skipped with a reason."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from odd_files import OddTree, snapshot, write_odd_tree

from clusterprobe.images import folders
from clusterprobe.images.duplicates import duplicate_groups
from clusterprobe.images.sources import IndexedDataset, index_dataset, open_source
from clusterprobe.images.thumbnails import fingerprints, read_thumbnails, write_thumbnails
from clusterprobe.store.tables import write_table


@pytest.fixture
def tree(tmp_path: Path) -> OddTree:
    return write_odd_tree(tmp_path / "odd")


def index(root: Path, seen: Path | None = None) -> IndexedDataset:
    definition = {"kind": "folder", "splits": {"train": str(root)}, "on_bad_image": "skip", "labelled": False}
    return index_dataset(definition, "odd", ["train"], seen)


def test_pictures_are_used_and_the_rest_is_skipped_with_its_reason(tree: OddTree) -> None:
    before = snapshot(tree.root)
    indexed = index(tree.root)
    assert indexed.manifests["train"].ids == tree.good
    reasons = {one["file"]: one["reason"] for one in indexed.skipped}
    assert reasons.keys() == tree.bad.keys()
    for name, beginning in tree.bad.items():
        assert reasons[name].startswith(beginning), (name, reasons[name])
    assert snapshot(tree.root) == before


def test_every_picture_has_a_thumbnail_and_twins_are_found(tree: OddTree, tmp_path: Path) -> None:
    indexed = index(tree.root)
    manifest, source = indexed.manifests["train"], open_source(indexed.source, "train")
    write_thumbnails(tmp_path / "t.parquet", manifest, source, 32)
    table = read_thumbnails(tmp_path / "t.parquet")
    assert table["sha256"].to_pylist() == list(manifest.sha256)
    shapes = [table[name].to_pylist() for name in ("width", "height")]
    sizes = dict(zip(manifest.ids, zip(*shapes, strict=True), strict=True))
    assert sizes["modes/turned.jpg"] == (40, 30)
    assert sizes["sizes/one.png"] == (1, 1)
    first = duplicate_groups(manifest.sha256, *fingerprints(table), 3)
    names = np.array(manifest.ids)
    together = [set(names[first == group]) for group in np.unique(first) if (first == group).sum() > 1]
    assert together == [{"twins/first.png", "twins/second.png", "twins/near.jpg"}]


def test_a_folder_that_cannot_be_listed_is_skipped_and_named(
    tree: OddTree, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = Path.iterdir

    def refuse(folder: Path):
        if folder.name == "formats":
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(Path, "iterdir", refuse)
    indexed = index(tree.root)
    assert {"file": "formats", "reason": "cannot be listed (Permission denied)"} in indexed.skipped
    assert not [name for name in indexed.manifests["train"].ids if name.startswith("formats/")]


def test_only_new_and_changed_files_are_opened_again(
    tree: OddTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen.parquet"
    before = index(tree.root, seen)
    opened = []
    fetch = folders.FolderSource.fetch

    def counted(source: folders.FolderSource, location: str) -> bytes:
        opened.append(location)
        return fetch(source, location)

    monkeypatch.setattr(folders.FolderSource, "fetch", counted)
    (tree.root / "modes" / "new.png").write_bytes((tree.root / "sizes" / "one.png").read_bytes())
    (tree.root / "sizes" / "thin.png").write_bytes((tree.root / "sizes" / "large.png").read_bytes())
    moved = tree.root.rename(tmp_path / "moved")
    after = index(moved, seen)
    bad = {name for name, reason in tree.bad.items() if "UTF-8" not in reason}
    assert set(opened) == {"modes/new.png", "sizes/thin.png"} | bad
    assert set(after.manifests["train"].ids) == {*before.manifests["train"].ids, "modes/new.png"}
    assert after.skipped == before.skipped
    seen.write_bytes(b"nonsense")
    opened.clear()
    assert index(moved, seen).manifests["train"].content == after.manifests["train"].content
    assert len(opened) == len(after.manifests["train"].ids) + len(tree.bad) - 1  # one is never listed


def test_a_picture_that_can_be_read_again_is_used(
    tree: OddTree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither rights nor a network file system that answers again change size or time of a file."""
    seen, read = tmp_path / "seen.parquet", Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "one.png":
            raise PermissionError(13, "Permission denied")
        return read(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        refused = index(tree.root, seen)
    assert {"file": "sizes/one.png", "reason": "cannot be read (Permission denied)"} in refused.skipped
    assert index(tree.root, seen).manifests["train"].ids == tree.good


def test_reasons_that_earlier_versions_kept_do_not_count(tree: OddTree, tmp_path: Path) -> None:
    seen, picture = tmp_path / "seen.parquet", tree.root / "sizes" / "one.png"
    status = picture.stat()
    stamp = f"{status.st_size} {status.st_mtime_ns}"
    kept = {"location": ["sizes/one.png"], "stamp": [stamp], "reason": ["cannot be read (I/O error)"]}
    nothing = pa.nulls(1)
    write_table(seen, pa.table(kept | {"sha256": nothing, "width": nothing, "height": nothing}))
    assert index(tree.root, seen).manifests["train"].ids == tree.good
