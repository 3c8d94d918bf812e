"""The workflow through `--profile slurm`: whole runs, failures, retries, GPUs."""

from __future__ import annotations

import pytest
import yaml
from project import REPOSITORY
from submitted import tiny

# Two jobs that need more than they ask for at first, with the profile and nothing else.
HUNGRY = """
rule all:
    input: "memory.txt", "time.txt"

rule memory:
    output: "memory.txt"
    resources: mem_mb=lambda wildcards, attempt: 400 * 2 ** (attempt - 1), runtime=5
    shell: "python3 -c 'import time; eaten = bytearray(400 * 2 ** 20); time.sleep(8)' && "
           "echo {resources.mem_mb} > {output}"

rule time:
    output: "time.txt"
    resources: mem_mb=400, runtime=lambda wildcards, attempt: 2 ** (attempt - 1)
    shell: "test {resources.runtime} -gt 1 || sleep 100; echo {resources.runtime} > {output}"
"""


# A line at the end of an adapter: which GPUs its job saw.
NOTE_DEVICES = """
import os

with open("devices.txt", "a") as devices:
    devices.write("{rule} " + os.environ.get("CUDA_VISIBLE_DEVICES", "none") + "\\n")
"""


def read_yaml(path):
    return yaml.safe_load((REPOSITORY / path).read_text(encoding="utf-8"))


def test_the_default_profile_overrides_nothing():
    """Snakemake lays profiles/default over the profile that was asked for, key by key."""
    profile, default = read_yaml("slurm/config.yaml"), read_yaml("profiles/default/config.yaml")
    assert {key: profile.get(key) for key in default} == default


def test_an_experiment_goes_through_slurm_and_gpus_to_the_jobs_that_use_them(submit):
    """From images to results with the profile as it is."""
    slurm = submit(tiny(compute={"memory_mb": 1000, "batch_size": 32, "gpus": 1}))
    goal = ("--until", "evaluate_clustering")
    expected = sum(slurm.project.jobs(*goal).values())
    assert 7 <= expected <= 12
    for rule in ("train_encoder", "extract_features", "fit_kmeans"):
        slurm.project.edit(
            f"workflow/scripts/{rule}.py", lambda text, rule=rule: text + NOTE_DEVICES.format(rule=rule)
        )
    slurm.run(*goal)
    assert slurm.states() == ["COMPLETED"] * expected
    assert slurm.project.found("data/results/*.parquet")
    assert slurm.project.jobs(*goal) == {}
    assert sorted((slurm.folder / "devices.txt").read_text().splitlines()) == [
        "extract_features 0",
        "extract_features 0",
        "fit_kmeans none",
        "train_encoder 0",
    ]


def test_a_failing_job_is_reported_with_its_logs(submit):
    """Through the example of a site profile, with the names of this site."""
    slurm = submit(tiny())
    site = (REPOSITORY / "slurm/site-example.yaml").read_text(encoding="utf-8")
    names = {"my-account": "physics", ": cpu": ": main", ": gpu": ": main", "a100": "fake"}
    for name, ours in names.items():
        assert name in site
        site = site.replace(name, ours)
    (slurm.folder / "slurm/site.yaml").write_text(site, encoding="utf-8")
    slurm.project.edit(
        "workflow/scripts/index_dataset.py",
        lambda text: text + '    raise RuntimeError("this index is broken")\n',
    )
    result = slurm.run("--profile", "slurm/site.yaml", "--retries", "0", "--jobs", "1", ok=False)
    assert result.code == 1
    assert slurm.states() == ["FAILED"]
    assert "Error in rule index_dataset" in result.text
    assert "this index is broken" in result.text
    number = slurm.jobs[0]["JobId"]
    assert f"SLURM-job '{number}' failed" in result.text
    [slurm_log] = slurm.project.folder.glob(f".snakemake/slurm_logs/rule_index_dataset/**/{number}.log")
    assert str(slurm_log) in result.text
    [log] = slurm.project.found("data/logs/index_dataset/**/*.log")
    assert str(log.relative_to(slurm.folder)) in result.text


@pytest.mark.slow
def test_out_of_memory_and_out_of_time_are_sent_again_with_more(submit):
    slurm = submit(tiny())
    (slurm.folder / "Snakefile").write_text(HUNGRY, encoding="utf-8")
    slurm.run()
    assert (slurm.folder / "memory.txt").read_text() == "800\n"
    assert (slurm.folder / "time.txt").read_text() == "2\n"
    ended = sorted((job["JobState"], job["TimeLimit"]) for job in slurm.jobs)
    assert ended == [("COMPLETED", "2"), ("COMPLETED", "5"), ("FAILED", "5"), ("TIMEOUT", "1")]


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_the_default_experiment_goes_through_slurm(submit):
    slurm = submit(None)
    expected = sum(slurm.project.jobs().values())
    slurm.run()
    assert slurm.states() == ["COMPLETED"] * expected
    assert (slurm.folder / "reports/digits/report.html").exists()
    assert slurm.project.jobs() == {}
