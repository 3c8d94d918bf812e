from __future__ import annotations

import pytest

from clusterprobe.commands.results import link_tree, place_results
from clusterprobe.config.errors import UserError
from clusterprobe.runs.picture_tables import write_csv

NAMES = ["a/one.png", "two\nlines.png", "=x, y.png"]


@pytest.fixture
def result(tmp_path):
    for name in NAMES:
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    write_csv(tmp_path / "assignments.csv", ("path", "cluster"), zip(NAMES, (0, 1, 1), strict=True))
    return tmp_path


@pytest.mark.parametrize("copies", [False, True])
def test_every_picture_is_in_the_folder_of_its_cluster(result, copies):
    for _ in range(2):  # a second tree replaces the first
        link_tree(result / "assignments.csv", result / "pictures", result / "clusters", copies=copies)
    for name, cluster in zip(NAMES, ("000", "001", "001"), strict=True):
        path = result / "clusters" / cluster / name
        assert path.is_symlink() != copies
        assert path.read_bytes() == name.encode()


def test_no_other_folder_is_ever_replaced(result):
    (result / "clusters").mkdir()
    with pytest.raises(UserError, match="not a tree that was made here"):
        link_tree(result / "assignments.csv", result / "pictures", result / "clusters", copies=False)


def test_results_get_a_second_name_and_old_ones_go(tmp_path):
    made = tmp_path / "reports" / "pictures"
    (made / "model").mkdir(parents=True)
    (made / "gallery.html").write_text("new")
    (made / "model" / "model.json").write_text("{}")
    (tmp_path / "gallery.html").write_text("old")
    (tmp_path / "report.html").write_text("of an earlier run")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "stale").touch()
    place_results(tmp_path, "pictures")
    assert (tmp_path / "gallery.html").read_text() == "new"
    assert [path.name for path in (tmp_path / "model").iterdir()] == ["model.json"]
    assert not (tmp_path / "report.html").exists()
