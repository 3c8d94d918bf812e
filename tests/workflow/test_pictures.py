"""`clusterprobe cluster` on a folder of all that real folders hold, up to new pictures."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from layouts import write_checkpoint
from project import REPOSITORY, encoded, job_counts, picture

sys.path.insert(0, str(Path(__file__).parents[1]))

from odd_files import HOSTILE, OddTree, snapshot, write_odd_tree

pytestmark = pytest.mark.slow  # a run of about twenty jobs, three more that go on from it, and three others

COLOURS = {"red": (200, 40, 40), "blue": (40, 60, 220)}


class Here:
    """A folder with pictures, in which the command is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "results"
        self.tree: OddTree = write_odd_tree(folder / "odd pictures")
        for number in range(40):
            colour = list(COLOURS.values())[number % 2]
            (self.tree.root / f"disc {number:02d}.png").write_bytes(encoded(picture(colour, number), "PNG"))

    def call(self, *arguments: str, ok: bool = True) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}
        done = subprocess.run(
            [sys.executable, "-m", "clusterprobe.cli", *arguments],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": str(REPOSITORY / "src")},
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == ok, done.stdout + done.stderr
        return done.stdout + done.stderr

    def cluster(self, *more: str, pictures: str = "odd pictures") -> str:
        wishes = ["--k", "4", "--encoder", "simclr", "--epochs", "2", "--out", "results", "--cores", "2"]
        return self.call("cluster", pictures, *wishes, *more)

    def rows(self, path: str) -> list[dict[str, str]]:
        with (self.folder / path).open(encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))

    def ran(self, out: str = "results") -> dict[str, int]:
        return job_counts((self.folder / out / "data/logs/snakemake.log").read_text(encoding="utf-8"))

    def scores(self, out: str) -> dict[str, float]:
        rows = pq.read_table(self.folder / out / "reports/pictures/results.parquet").to_pylist()
        return {row["metric"]: row["value"] for row in rows}

    def weights(self) -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in self.out.glob("data/encoders/*/weights.safetensors")}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Here:
    """Pictures, and nothing made of them yet."""
    return Here(tmp_path_factory.mktemp("own"))


@pytest.fixture(scope="module")
def here(place: Here) -> Here:
    """One finished run."""
    found = place
    before = snapshot(found.tree.root)
    found.said = found.cluster("--tree", "links")  # type: ignore[attr-defined]
    assert snapshot(found.tree.root) == before, "nothing in the folder is ever changed"
    return found


def test_everything_that_was_promised_is_there(here: Here) -> None:
    rows = here.rows("results/assignments.csv")
    assert [row["path"] for row in rows] == sorted(
        [*here.tree.good, *(f"disc {n:02d}.png" for n in range(40))]
    )
    assert {int(row["cluster"]) for row in rows} == set(range(4))
    assert "name" not in rows[0], "sub-folders are no labels until they are said to be"
    sizes = [sum(int(row["cluster"]) == cluster for row in rows) for cluster in range(4)]
    assert sizes == sorted(sizes, reverse=True)
    assert {row["path"] for row in here.rows("results/skipped.csv")} == here.tree.bad.keys()
    twins = {row["path"]: row["kind"] for row in here.rows("results/duplicates.csv")}
    assert twins == {"twins/first.png": "first", "twins/near.jpg": "near", "twins/second.png": "copy"}
    assert len({row["cluster"] for row in rows if row["path"].startswith("twins/")}) == 1
    page = (here.out / "gallery.html").read_text(encoding="utf-8")
    assert "<img src=x" not in page
    assert "\\u003cimg src=x onerror=alert(1)\\u003e.png" in page
    assert (here.out / "report.html").stat().st_size > 100_000
    for row in rows:
        assert (here.out / "clusters" / f"{int(row['cluster']):03d}" / row["path"]).is_symlink()


def test_it_says_what_it_does_and_where_to_look(here: Here) -> None:
    said = here.said  # type: ignore[attr-defined]
    assert "encoder: SimCLR, trained on these pictures" in said
    for stage in ("look at the pictures", "train", "compute features", "cluster", "write the gallery"):
        assert f"{stage}: done, " in said
    assert f"{len(here.tree.bad)} files could not be used" in said
    assert f"Look first at {here.out / 'gallery.html'}" in said


def test_the_model_says_the_same_of_the_same_pictures(here: Here) -> None:
    here.call("assign", "results/model", "odd pictures", "--out", "again.csv")
    again, first = here.rows("again.csv"), here.rows("results/assignments.csv")
    together = {row["path"] for row in here.rows("results/duplicates.csv")}  # moved to where the others are
    assert [row["path"] for row in again] == [row["path"] for row in first]
    for one, other in zip(again, first, strict=True):
        assert one["cluster"] == other["cluster"] or one["path"] in together


def test_another_level_of_the_hierarchy(here: Here) -> None:
    here.call("cut", "results", "--k", "2", "--out", "two.csv")
    pairs = {
        (row["cluster"], other["cluster"])
        for row, other in zip(here.rows("results/assignments.csv"), here.rows("two.csv"), strict=True)
        if not row["path"].startswith("twins/")
    }
    assert len(pairs) == 4, "every cluster went into one group"
    assert {group for _, group in pairs} == {"0", "1"}
    assert "choose from 1 to 4" in here.call("cut", "results", "--k", "5", ok=False)


def test_nothing_is_left_to_do_and_a_dry_run_leaves_nothing_behind(here: Here) -> None:
    files = {path for path in here.out.rglob("*") if ".snakemake" not in path.parts}
    assert "Nothing would run" in here.cluster("--dry-run")
    assert {path for path in here.out.rglob("*") if ".snakemake" not in path.parts} == files
    said = here.call(
        "cluster", "odd pictures", "--k", "3", "--encoder", "simclr", "--dry-run", "--out", "other"
    )
    assert re.search(r"^cluster: 1 job, about \d+ s$", said, re.MULTILINE), said
    assert not (here.folder / "other").exists()


def test_the_folder_of_the_pictures_is_never_written_to(here: Here) -> None:
    said = here.call("cluster", "odd pictures", "--out", "odd pictures/results", ok=False)
    assert "never changed" in said
    said = here.call("cluster", "odd pictures", "--out", ".", ok=False)
    assert "holds something else already" in said


def test_a_checkpoint_of_the_catalogue_merged_clusters_a_few_labels_and_copies(place: Here) -> None:
    """The layout of MoCo's file, with random weights."""
    write_checkpoint(place.folder / "moco.pth.tar", {"name": "torchvision:resnet50", "options": {}}, None)
    few = [f"disc {number:02d}.png,{list(COLOURS)[number % 2]}\n" for number in range(6)]
    (place.folder / "few.csv").write_text("path,label\n" + "".join(few), encoding="utf-8")
    said = place.call(
        *("cluster", "odd pictures", "--encoder", "moco-v2-200", "--checkpoint", "moco.pth.tar"),
        *("--merge-from", "12", "--k", "4", "--labels", "few.csv", "--tree", "copies"),
        *("--out", "merged", "--cores", "2"),
    )
    assert "MoCo v2" in said
    assert "moco.pth.tar. Licence of the weights: " in said
    rows = place.rows("merged/assignments.csv")
    assert {int(row["cluster"]) for row in rows} == set(range(4))
    names = {int(row["cluster"]): row["name"] for row in rows}
    assert set(names.values()) - {""}, "a cluster with labelled pictures has their name"
    assert set(names.values()) <= {*COLOURS, ""}
    for row in rows:
        number, name = int(row["cluster"]), names[int(row["cluster"])]
        copy = place.folder / "merged/clusters" / f"{number:03d} {name}".strip() / row["path"]
        assert not copy.is_symlink()
        assert copy.read_bytes() == (place.tree.root / row["path"]).read_bytes()
    assert "acc" in place.scores("merged")
    place.call("cut", "merged", "--k", "9", "--out", "nine.csv")
    assert len({row["cluster"] for row in place.rows("nine.csv")}) == 9


def test_heads_of_scan_and_sub_folders_as_labels(place: Here) -> None:
    for number in range(12):
        name = list(COLOURS)[number % 2]
        path = place.folder / "sorted" / name / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(COLOURS[name], number), "PNG"))
    wishes = ("cluster", "sorted", "--method", "scan", "--k", "2", "--encoder", "simclr", "--epochs", "20")
    place.call(*wishes, "--labels", "folders", "--out", "scan", "--cores", "2")
    rows = place.rows("scan/assignments.csv")
    assert len(rows) == 12
    assert {row["name"] for row in rows} <= {*COLOURS, ""}
    scores = place.scores("scan")
    assert {"acc", "nmi", "ari"} <= scores.keys()
    assert (place.folder / "scan/reports/pictures/tables/clustering.html").exists()
    place.call("assign", "scan/model", "sorted", "--out", "new.csv")
    assert [row["cluster"] for row in place.rows("new.csv")] == [row["cluster"] for row in rows]
    assert "use the gallery" in place.call("cut", "scan", "--k", "2", ok=False)


def test_all_numbers_of_clusters_are_tried_in_one_job(place: Here) -> None:
    wishes = ("cluster", "odd pictures", "--encoder", "pixels", "--out", "auto", "--cores", "2")
    said = place.call(*wishes)
    assert "where the criteria agree most" in said
    ran = place.ran("auto")
    assert ran["try_candidates"] == ran["evaluate_candidates"] == 1
    assert not {"fit_kmeans", "score_clusterings", "evaluate_clustering"} & ran.keys()
    assert "Nothing would run" in place.call(*wishes, "--dry-run")
    rows = place.rows("auto/assignments.csv")
    k = len({row["cluster"] for row in rows})
    place.call(*wishes, "--k", str(k))
    alone = [row["cluster"] for row in place.rows("auto/assignments.csv")]
    assert alone == [row["cluster"] for row in rows], "one of its fits is that of the number itself"
    assert place.ran("auto")["fit_kmeans"] == 1


def test_a_renamed_folder_and_new_pictures_keep_what_was_worked_out(here: Here) -> None:
    """The last test: it changes the folder."""
    before, weights = here.rows("results/assignments.csv"), here.weights()
    here.tree.root.rename(here.folder / "renamed")
    here.cluster(pictures="renamed")
    assert here.rows("results/assignments.csv") == before
    assert "train_encoder" not in here.ran()
    (here.folder / "renamed" / "new.png").write_bytes(encoded(picture((220, 30, 30), 99), "PNG"))
    here.cluster(pictures="renamed")
    ran = here.ran()
    assert "train_encoder" not in ran
    assert here.weights() == weights
    assert "new.png" in {row["path"] for row in here.rows("results/assignments.csv")}
    [seen] = here.out.glob("data/features/*/*/train.seen/seen.json")
    assert len(json.loads(seen.read_text())["sha256"]) == len(before) + 1


def test_a_hostile_name_is_just_a_name(here: Here) -> None:
    assert f"names/{HOSTILE}" in {row["path"] for row in here.rows("results/assignments.csv")}
