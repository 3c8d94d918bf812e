from __future__ import annotations

import io

from clusterprobe.commands.stages import StageLines
from clusterprobe.commands.workflow import complaints, job_counts

SAID = """Building DAG of jobs...
Job stats:
job                 count
----------------  -------
all                     1
fit_kmeans              2
index_dataset           1
make_table              1
total                   5

Select jobs to execute...
Execute 1 jobs...

[Sat Nov 21 16:16:47 2026]
localrule index_dataset:
    output: data/manifests/x/train.parquet
    log: data/logs/index_dataset/x/train.log
    jobid: 4
[Sat Nov 21 16:16:48 2026]
Finished jobid: 4 (Rule: index_dataset)
1 of 5 steps (20%) done
localrule fit_kmeans:
    log: data/logs/fit_kmeans/a.log
    jobid: 3
Finished jobid: 3 (Rule: fit_kmeans)
localrule fit_kmeans:
    log: data/logs/fit_kmeans/b.log
    jobid: 2
Finished jobid: 2 (Rule: fit_kmeans)
rule make_table:
Finished jobid: 1 (Rule: make_table)
localrule all:
Finished jobid: 0 (Rule: all)
""".splitlines()


def test_one_line_for_each_stage_with_the_rate_that_its_log_ends_with(tmp_path):
    log = tmp_path / "data/logs/index_dataset/x/train.log"
    log.parent.mkdir(parents=True)
    log.write_text(
        "index x: 10/20 images, 5.0 images/s, ETA 0:02\nindex x: 20/20 images, 5.0 images/s, took 0:04\n"
    )
    out = io.StringIO()
    lines = StageLines(tmp_path, out)
    for line in SAID:
        lines.hear(line)
    first, second, third = out.getvalue().splitlines()
    assert first.startswith("look at the pictures: done, ")
    assert first.endswith("(index x: 20/20 images, 5.0 images/s, took 0:04)")
    assert second.startswith("cluster: done, ")
    assert third.startswith("write the report: done, ")
    assert lines.lines == SAID


def test_jobs_are_counted_without_the_target():
    assert dict(job_counts(SAID)) == {"fit_kmeans": 2, "index_dataset": 1, "make_table": 1}


def test_a_stage_that_is_not_through_has_no_line(tmp_path):
    out = io.StringIO()
    lines = StageLines(tmp_path, out)
    for line in SAID[:27]:
        lines.hear(line)
    assert "cluster" not in out.getvalue()


def test_the_message_of_a_job_is_what_is_told():
    said = [
        "noise",
        "index_dataset: a/b.png: is empty; replace it",
        "Error in rule index_dataset:",
        "    jobid: 4",
    ]
    assert complaints(said) == ["index_dataset: a/b.png: is empty; replace it"]
    assert complaints(["first", "", "last words"]) == ["first", "last words"]
