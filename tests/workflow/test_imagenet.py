"""The benchmark on ImageNet as it stands: everything is planned, nothing is fetched."""

from __future__ import annotations

import resource
from pathlib import Path

from layouts import LAYOUTS
from project import Project, job_counts

from clusterprobe.config.catalogue import read_yaml

SETS = [name for name in LAYOUTS if "OBJECTNET" in name or name.startswith("CLUSTERPROBE_IMAGENET")]


def test_the_whole_benchmark_is_planned_within_seconds_and_nothing_is_downloaded(tmp_path: Path) -> None:
    for variable in SETS:
        LAYOUTS[variable](tmp_path / variable)
    project = Project.create(tmp_path / "project")
    places = {variable: str(tmp_path / variable) for variable in SETS}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = project.run("--dry-run", "--quiet", "rules", "--configfile", "config/imagenet.yaml", **places)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 8, "of one processor"
    encoders = read_yaml(project.folder / "config/imagenet.yaml")["encoders"]
    assert len(encoders) > 50
    counts = job_counts(done.text)
    assert counts["fetch_checkpoint"] == counts["convert_checkpoint"] == counts["fit_pca"] == len(encoders)
    assert not project.found("data/**/*")
