"""Disks that are full, read-only, over quota or gone: one clear error, nothing half-written, and then on."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import FILL_THE_DISK, Mounts, fill
from project import Project, Result, small_experiment, write_pictures

FULL = "the disk is full: free some space and run the same command again"

ESSENTIAL = {
    "state of a training": ("state", "train_encoder", "data/encoders/simclr-*/weights.safetensors"),
    "shard": ("00001-of-*.npy", "extract_features", "data/features/simclr-*/*/train/00001-*.npy"),
    "results": ("results.parquet", "collect_results", "reports/tiny/results.parquet"),
    "table": ("*.html", "make_table", "reports/tiny/tables/clustering.html"),
}
FURTHER = {
    "manifest": ("train.parquet", "index_dataset", "data/manifests/*/train.parquet"),
    "weights": ("weights.safetensors", "train_encoder", "data/encoders/simclr-*/weights.safetensors"),
    "record of a shard": (
        "00001-of-*.json",
        "extract_features",
        "data/features/simclr-*/*/train/00001-*.npy",
    ),
    "components": ("*.npz", "fit_pca", "data/pca/simclr-*/*.npz"),
    "finished seed": ("seed-1.state", "fit_kmeans", "data/clusterings/kmeans-2x-*/model.npz"),
    "model": ("model.npz", "fit_kmeans", "data/clusterings/kmeans-2x-*/model.npz"),
    "assignments": ("assignments.parquet", "fit_kmeans", "data/clusterings/kmeans-2x-*/model.npz"),
    "results of a run": ("kmeans-2x-*.parquet", "evaluate_clustering", "data/results/kmeans-2x-*.parquet"),
    "figure": ("*.png", "draw_figure", "reports/tiny/figures/k-sweep.png"),
    "gallery": ("*.html", "build_gallery", "reports/tiny/galleries/*.html"),
    "page": ("overview.html", "write_overview", "reports/tiny/overview.html"),
    "provenance": ("*.provenance.json", "make_table", "reports/tiny/tables/clustering.html"),
}
"""What cannot be written: the name of the file, the rule that writes it, one output of that rule."""


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    with Mounts(tmp_path) as mounted:
        yield mounted


def said_once(failed: Result, words: str) -> None:
    """Check that a person sees what is wrong and what to do, once and without a traceback."""
    assert failed.code != 0
    assert "Traceback" not in failed.text, failed.text
    assert failed.text.count(words) == 1, failed.text


def leftovers(project: Project) -> list[Path]:
    return [path for path in project.folder.rglob("*") if "partial" in path.name]


def fill_before(
    project: Project, name: str, rule: str, target: str, disk: str = ".", why: str = FULL
) -> None:
    """Let a disk be full when a file of that name is written; then make room."""
    shutil.rmtree(project.folder / "data/clusterings/fits", ignore_errors=True)
    (project.folder / "site").mkdir(exist_ok=True)
    (project.folder / "site" / "sitecustomize.py").write_text(FILL_THE_DISK)
    path = f"{project.folder}/src:{project.folder}/site"
    filler = project.folder / disk / "filler"
    filled = {"FILL_BEFORE": name, "FILLER": str(filler), "PYTHONPATH": path}
    failed = project.run("--forcerun", rule, "--", target, ok=False, **filled)
    filler.unlink()
    assert "Traceback" not in failed.text, failed.text
    said = re.findall(rf"^{rule}: cannot write \S+: {why}$", failed.text, re.MULTILINE)
    assert len(said) == 1, failed.text
    assert not (project.folder / target).exists()
    assert not leftovers(project)


@pytest.mark.parametrize(
    "kinds", [ESSENTIAL, pytest.param(FURTHER, marks=pytest.mark.slow)], ids=["essential", "further"]
)
def test_disk_that_fills_up(
    copied: Project, finished: Project, mounts: Mounts, kinds: dict[str, tuple[str, str, str]]
) -> None:
    """The whole project lies on it, Snakemake's notes too. The last kinds first, so that inputs are there."""
    mounts.tmpfs(copied.folder, megabytes=60)
    outputs = [str(finished.one(output).relative_to(finished.folder)) for _, _, output in kinds.values()]
    for (name, rule, _), output in reversed(list(zip(kinds.values(), outputs, strict=True))):
        fill_before(copied, name, rule, output)
    copied.run("--", "all", *dict.fromkeys(outputs), warm=True)
    assert copied.hashes() == finished.hashes()
    assert copied.jobs() == {}


@pytest.mark.slow
def test_report_that_does_not_fit_is_not_left_in_part(copied: Project, mounts: Mounts) -> None:
    """Made after all jobs by Snakemake itself, larger than all that it wraps."""
    mounts.tmpfs(copied.folder, megabytes=30)
    report = copied.folder / "reports/tiny/report.html"
    report.unlink()
    filler = fill(copied.folder)
    with filler.open("r+b") as handle:
        handle.truncate(handle.seek(0, 2) - 1_500_000)
    again = "snakemake --report reports/tiny/report.html"
    failed = copied.run("--forcerun", "write_overview", ok=False)
    said_once(failed, again)
    assert "No space left on device" in failed.text
    assert not report.exists()
    assert len(list(report.parent.glob("*.html"))) == 2
    filler.unlink()
    copied.run(*again.split()[1:])
    assert report.stat().st_size > 1_500_000


@pytest.mark.parametrize("full", [".", "data"], ids=["whole project", "data alone"])
def test_disk_that_is_full_is_said_before_anything_begins(tmp_path: Path, mounts: Mounts, full: str) -> None:
    values = small_experiment("small", {"pictures": {"kind": "folder", "path": "images"}})
    project = Project.create(tmp_path / "project", values)
    (project.folder / "data").mkdir()
    mounts.tmpfs(project.folder / full, megabytes=8)
    fill(project.folder / full)
    failed = project.run(ok=False)
    said_once(failed, f"cannot write to {(project.folder / full).resolve()}: {FULL}")
    assert len(failed.text.strip().splitlines()) < 5
    assert not project.found("data/*/**/*")


def test_read_only_data_can_be_looked_at_and_nothing_else(copied: Project, finished: Project) -> None:
    copied.one("reports/tiny/tables/clustering.tex").unlink()
    with Mounts(copied.folder) as before:
        before.read_only(copied.folder / "data")
        said_once(copied.run(ok=False), f"cannot write to {copied.folder}/data: the file system is read-only")
        assert copied.jobs() == {"make_table": 1}
    copied.run()
    assert copied.hashes() == finished.hashes()


def test_images_on_a_disk_that_is_not_mounted(finished: Project, mounts: Mounts, tmp_path: Path) -> None:
    """An unmounted disk leaves an empty folder. Nothing that was made from its images is touched."""
    project = finished.copy(tmp_path / "project")
    disk = (project.folder / "images").rename(tmp_path / "disk")
    (project.folder / "images").mkdir()
    empty = f"{project.folder}/images does not exist or is empty, but was indexed before: mount its disk"
    with Mounts(tmp_path) as before:
        before.bind(disk, project.folder / "images")
        assert project.jobs() == {}
    said_once(project.run(ok=False), empty)
    (project.folder / "images").rmdir()
    said_once(project.run(ok=False), empty)
    (project.folder / "images").mkdir()
    mounts.bind(disk, project.folder / "images")
    assert project.jobs() == {}
    assert project.hashes() == finished.hashes()


def test_data_on_a_disk_that_is_not_mounted(tmp_path: Path) -> None:
    values = small_experiment("small", {"pictures": {"kind": "folder", "path": "images"}})
    project = Project.create(tmp_path / "project", values)
    (project.folder / "data").symlink_to(tmp_path / "scratch")
    failed = project.run(ok=False)
    said_once(
        failed,
        f"cannot write to {project.folder}/data: it points to {tmp_path / 'scratch'}, which is not there",
    )
    (tmp_path / "scratch").mkdir()
    write_pictures(project.folder / "images", each=5)
    project.run("--until", "index_dataset")
    assert list((tmp_path / "scratch").glob("manifests/*/train.parquet"))


@pytest.mark.slow
def test_data_over_quota(copied: Project, finished: Project, mounts: Mounts) -> None:
    """On a disk with room: the file system itself says no."""
    mounts.quota(copied.folder / "data", megabytes=4)
    shard = str(copied.one("data/features/simclr-*/*/train/00001-*.npy").relative_to(copied.folder))
    used_up = "the disk quota is used up: free some space and run the same command again"
    fill_before(copied, "00001-of-*.npy", "extract_features", shard, disk="data", why=used_up)
    filler = fill(copied.folder / "data")
    said_once(copied.run("--", shard, ok=False), f"cannot write to {copied.folder}/data: {used_up}")
    filler.unlink()
    copied.run("--", shard)
    assert copied.hashes() == finished.hashes()
