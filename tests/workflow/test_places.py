"""Files that the configuration names: a change of what they say is noticed; where they lie does not count."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from finished import Once
from project import PREPROCESSING, Project, picture, small_experiment, write_pictures

from clusterprobe.encoders.architectures import initialise

ARCHITECTURE = {"name": "small-convnet", "options": {"widths": [4, 8], "strides": [2, 2]}}
MAP = "source_class,target_class\nblue,cold\ngreen & <b>,warm\nred,warm\n"
MINE: dict[str, Any] = {
    "kind": "file",
    "url": "~/weights.pth",
    "architecture": ARCHITECTURE,
    "preprocessing": PREPROCESSING,
}


def with_files(label_map: str = "map.csv", path: str = "images", **encoder: Any) -> dict[str, Any]:
    shifted = {"kind": "shifted", "source": "pictures", "shifts": ["inversion"], "label_map": label_map}
    pictures = {"kind": "folder", "path": path}
    return small_experiment(
        "files",
        {"pictures": pictures, "shifted": shifted},
        transfer={"pictures": [{"dataset": "shifted", "label_map": label_map}]},
        encoders={"mine": MINE | encoder},
    )


def write_weights(folder: Path, seed: int) -> None:
    network = initialise(ARCHITECTURE["name"], ARCHITECTURE["options"], seed).network
    torch.save(network.state_dict(), folder / "weights.pth")


def _with_files(folder: Path) -> Project:
    project = at_home(Project.create(folder, with_files()))
    write_pictures(folder / "images", each=12)
    write_weights(folder, 0)
    (folder / "map.csv").write_text(MAP)
    project.run(warm=True)
    return project


def at_home(project: Project) -> Project:
    project.environment["HOME"] = str(project.folder)
    return project


@pytest.fixture
def named(once: Once, tmp_path: Path) -> Project:
    """A copy of a finished run whose configuration names a folder, a checkpoint and a label map."""
    return at_home(once("files", _with_files).copy(tmp_path / "project"))


def test_a_moved_label_map_starts_nothing(named: Project) -> None:
    (named.folder / "maps").mkdir()
    (named.folder / "map.csv").rename(named.folder / "maps" / "moved.csv")
    named.configure(with_files("maps/moved.csv"))
    assert named.jobs() == {}


def test_an_edited_label_map_starts_what_it_decides(named: Project) -> None:
    named.edit("map.csv", lambda text: text.replace("red,warm", "red,cold"))
    jobs = named.jobs()
    assert {"render_shifted", "evaluate_clustering", "make_table"} <= set(jobs)
    assert not {"fetch_checkpoint", "convert_checkpoint"} & set(jobs)


def test_shipped_data_is_code(named: Project) -> None:
    named.edit("src/clusterprobe/images/maps/digits_to_shifted.csv", lambda text: text + "ten,one\n")
    assert {"render_shifted", "evaluate_clustering"} <= set(named.jobs())


def test_published_numbers_start_the_tables(named: Project) -> None:
    named.edit("src/clusterprobe/report/published/scan.csv", lambda text: text.replace(".", ".1", 1))
    assert named.jobs() == {"make_table": 1}


def test_what_people_read_of_an_encoder_starts_the_overview(named: Project) -> None:
    named.configure(with_files(seen="labels", licence="MIT"))
    assert named.jobs() == {"write_overview": 1}


def test_pictures_below_home_are_watched(named: Project) -> None:
    named.configure(with_files(path="~/images"))
    manifest = str(named.one("data/manifests/pictures-*/train.parquet").relative_to(named.folder))
    named.run(manifest)
    assert named.jobs(manifest) == {}
    picture((1, 2, 3), 1).save(named.folder / "images" / "red" / "new.png")
    assert named.jobs(manifest) == {"index_dataset": 1}
    named.run(manifest)
    shutil.rmtree(named.folder / "images")
    assert "does not exist or is empty, but was indexed before" in named.run(manifest, ok=False).text


def test_an_overwritten_checkpoint_is_refused(named: Project) -> None:
    write_weights(named.folder, 1)
    assert named.jobs()["fetch_checkpoint"] == 1
    assert "has SHA-256" in named.run("--until", "fetch_checkpoint", ok=False).text


def test_a_checkpoint_that_is_gone_is_no_loss(named: Project) -> None:
    (named.folder / "weights.pth").unlink()
    assert named.jobs() == {}
    shutil.rmtree(named.folder / "data" / "checkpoints")
    failed = named.run("--until", "fetch_checkpoint", "--forcerun", "fetch_checkpoint", ok=False)
    assert f"{named.folder / 'weights.pth'} is not a file: check the path" in failed.text


def test_another_folder_reads_the_same_catalogue(named: Project, tmp_path: Path) -> None:
    """The table of all published encoders is made of it."""
    values = with_files() | {"report": {"tables": ["kmeans-table-1"], "figures": [], "galleries": []}}
    values["datasets"]["pictures"]["path"] = str(named.folder / "images")
    path = named.folder / named.configure(values, "other")
    (tmp_path / "map.csv").symlink_to(named.folder / "map.csv")
    jobs = named.jobs("--directory", str(tmp_path), "--snakefile", "Snakefile", "--configfile", str(path))
    assert jobs["make_table"] == 1
