"""`clusterprobe cluster` with its jobs sent through Slurm."""

from __future__ import annotations

import csv
import os
import subprocess
import sys

import pytest
from project import REPOSITORY, encoded, picture
from submitted import IN_A_HURRY

COLOURS = ((200, 40, 40), (40, 60, 220), (60, 200, 60), (210, 200, 40), (120, 60, 160))


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_folder_of_pictures_goes_through_slurm(cluster, tmp_path):
    (tmp_path / "discs").mkdir()
    for number in range(30):
        path = tmp_path / "discs" / f"{number:02d}.png"
        path.write_bytes(encoded(picture(COLOURS[number % 5], number), "PNG"))
    before = len(cluster.ended_jobs()) if (cluster.folder / "jobs.txt").exists() else 0
    wishes = ("discs", "--k", "5", "--encoder", "pixels", "--out", "results", "--cores", "1")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}
    through = ("--", "--profile", "slurm", *IN_A_HURRY)
    done = subprocess.run(
        [sys.executable, "-m", "clusterprobe.cli", "cluster", *wishes, *through],
        cwd=tmp_path,
        env=kept | cluster.environment | {"PYTHONPATH": str(REPOSITORY / "src")},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("look at the pictures", "compute features", "cluster", "write the gallery"):
        assert f"{stage}: done, " in done.stderr
    states = [job["JobState"] for job in cluster.ended_jobs()[before:]]
    assert len(states) > 10, "every rule but `all` is a job of Slurm"
    assert set(states) == {"COMPLETED"}
    out = tmp_path / "results"
    with (out / "assignments.csv").open(encoding="utf-8", newline="") as handle:
        assert {row["cluster"] for row in csv.DictReader(handle)} == set("01234")
    assert all((out / name).exists() for name in ("gallery.html", "report.html", "model"))
